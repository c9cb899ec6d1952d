package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// R1: what an edge missed without a history costs what differs. Only the keys
// that differ are written, and only they cross the link.
func TestFewAndManyDifferences(t *testing.T) {
	t.Parallel()
	newDiffering(t, 20_000).repairs(1, 100, 2000)
}

// differing is a site with many keys, whose values do not compress well.
type differing struct {
	*site
	tr   *truth
	d    *daemons
	keys []string
}

// missed is about the size of each value.
const missed = 100

func newDiffering(t *testing.T, keys int) *differing {
	t.Helper()
	s, tr, d := runningSite(t, withLinks)
	df := &differing{site: s, tr: tr, d: d}
	for i := range keys {
		df.keys = append(df.keys, fmt.Sprintf("/apps/bulk/%06d", i))
	}
	df.set(df.keys, "first")
	s.settle()
	return df
}

// set puts values of their own, many in a transaction.
func (df *differing) set(keys []string, what string) {
	df.t.Helper()
	var ops []clientv3.Op
	for i, key := range keys {
		ops = append(ops, clientv3.OpPut(key, what+noise(missed)))
		if len(ops) < 128 && i < len(keys)-1 {
			continue
		}
		if _, err := df.source.Client().Txn(df.t.Context()).Then(ops...).Commit(); err != nil {
			df.t.Fatal(err)
		}
		ops = ops[:0]
	}
}

// repairs has the edge miss changes of so many keys, each time others.
func (df *differing) repairs(counts ...int) {
	df.t.Helper()
	for _, n := range counts {
		df.t.Run(fmt.Sprint(n), func(t *testing.T) {
			df.d.stopImporter()
			rand.Shuffle(len(df.keys), func(i, j int) { df.keys[i], df.keys[j] = df.keys[j], df.keys[i] })
			df.set(df.keys[:n], fmt.Sprint(n))
			df.exporterHas(df.sourceRevision())
			if err := df.stream().Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
			written, crossed := df.repair()
			t.Logf("%d of %d keys differ: %d written, %d KiB on the link", n, len(df.keys), written, crossed>>10)
			if written != n {
				t.Errorf("%d keys differ, %d were written", n, written)
			}
			if most := df.bound(n); crossed > most {
				t.Errorf("%d bytes crossed the link, at most %d", crossed, most)
			}
		})
	}
	df.check(df.tr)
}

// repair runs the importer until it is in sync, and counts the writes to the
// selection and the bytes on the link, of both directions.
func (df *differing) repair() (written int, crossed int64) {
	df.t.Helper()
	df.tr.catchUp(df.tr.target().recorder)
	seen := len(df.tr.target().recorder.History().Revs)
	up, down := df.edgeLink.Passed()
	df.d.stopImporter = df.startImporter()
	df.settle()
	nowUp, nowDown := df.edgeLink.Passed()
	df.tr.catchUp(df.tr.target().recorder)
	for _, rev := range df.tr.target().recorder.History().Revs[seen:] {
		for _, e := range rev.Events {
			if rules.Owns(e.Key) {
				written++
			}
		}
	}
	return written, nowUp - up + nowDown - down
}

// bound is what n differences may cost: the page, with 24 bytes for a range of
// 64 keys; prints of 4 bytes, in base64, of each key in a range that differs;
// what differs, with 48 bytes around each value; and 64 KiB for connections,
// heartbeats and reports.
func (df *differing) bound(n int) int64 {
	page := len(df.keys) * 24 / 64
	prints := min(n*64, len(df.keys)) * 16 / 3
	return int64(page + prints + n*(missed+48) + 64<<10)
}
