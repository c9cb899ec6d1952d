package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// prefixPolicy exports one prefix under another.
func prefixPolicy(prefix, to string) string {
	return fmt.Sprintf(`apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  rules:
    - {name: all, prefix: %s, to: %s, maxDeletePercent: 100}
`, prefix, to)
}

// twoWay are two clusters, each of which sends its own prefix to the other.
type twoWay struct {
	there, back *site // from the first to the second, and from it
}

func newTwoWay(t *testing.T) *twoWay {
	t.Helper()
	w := &twoWay{there: newSite(t, withLinks, withPolicy(prefixPolicy("/first/", "/first/")))}
	w.back = newSite(t, withLinks, between(w.there.target, w.there.source), withPolicy(prefixPolicy("/second/", "/second/")))
	for _, s := range []*site{w.there, w.back} {
		s.startExporter()
		s.startImporter()
	}
	return w
}

// write makes n operations on the keys of a prefix, some in one transaction.
func write(t *testing.T, cli *clientv3.Client, prefix string, n int, seed uint64) {
	r := rand.New(rand.NewPCG(seed, uint64(len(prefix))))
	for n > 0 {
		ops, used := []clientv3.Op{}, map[string]bool{}
		for range min(n, 1+r.IntN(40)) {
			key := prefix + strconv.Itoa(r.IntN(2_000))
			switch {
			case used[key]:
			case r.IntN(4) == 0:
				ops = append(ops, clientv3.OpDelete(key))
			default:
				ops = append(ops, clientv3.OpPut(key, strconv.FormatUint(r.Uint64(), 36)))
			}
			used[key] = true
			n--
		}
		if _, err := cli.Txn(t.Context()).Then(ops...).Commit(); err != nil {
			t.Errorf("write %s: %v", prefix, err)
			return
		}
	}
}

// disturb cuts links at random until stop is called, which waits.
func (w *twoWay) disturb(t *testing.T, seed uint64) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var owned sync.WaitGroup
	owned.Go(func() {
		r := rand.New(rand.NewPCG(seed, 9))
		links := []*testbed.Proxy{w.there.edgeLink, w.there.cloudLink, w.back.edgeLink, w.back.cloudLink}
		for {
			link := links[r.IntN(len(links))]
			link.Refuse()
			select {
			case <-time.After(time.Duration(r.IntN(400)) * time.Millisecond):
			case <-ctx.Done():
			}
			link.Pass()
			if ctx.Err() != nil {
				return
			}
		}
	})
	return func() { cancel(); owned.Wait() }
}

// newestOf is the newest revision that wrote a key of a prefix.
func newestOf(t *testing.T, cli *clientv3.Client, prefix string) int64 {
	t.Helper()
	resp, err := cli.Get(t.Context(), prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly(),
		clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortDescend), clientv3.WithLimit(1))
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.Kvs) == 0 {
		return 0
	}
	return resp.Kvs[0].ModRevision
}

// run has each side make n operations on links that come and go, and checks
// that both end equal and then are still.
func (w *twoWay) run(t *testing.T, n int) {
	t.Helper()
	seed, err := workload.Seed(t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	stop := w.disturb(t, seed)
	var writers sync.WaitGroup
	writers.Go(func() { write(t, w.there.source.Client(), "/first/", n, seed) })
	writers.Go(func() { write(t, w.back.source.Client(), "/second/", n, seed) })
	writers.Wait()
	stop()
	for _, side := range []struct {
		*site
		prefix string
	}{{w.there, "/first/"}, {w.back, "/second/"}} {
		side.until("both sides hold the same below "+side.prefix, func() bool {
			return same(side.content(side.source.Client(), side.prefix), side.content(side.target.Client(), side.prefix))
		})
		at := side.sourceRevision()
		side.report("is in sync", func(e status.Edge) bool {
			return e.State == status.InSync && e.VerifiedRevision >= at
		})
	}
	first, second := newestOf(t, w.there.source.Client(), "/second/"), newestOf(t, w.there.target.Client(), "/first/")
	for range 5 { // heartbeats on which nothing comes back
		at := w.there.sourceRevision()
		w.there.report("is in sync", func(e status.Edge) bool { return e.State == status.InSync && e.VerifiedRevision >= at })
	}
	if a, b := newestOf(t, w.there.source.Client(), "/second/"), newestOf(t, w.there.target.Client(), "/first/"); a != first || b != second {
		t.Errorf("changes go on after both sides are equal: %d to %d, %d to %d", first, a, second, b)
	}
	for _, s := range []*site{w.there, w.back} {
		edges, _ := s.reports.since(0)
		e := edges[len(edges)-1]
		if len(e.Conflicts) != 0 || e.Mismatches != 0 {
			t.Errorf("%v conflicts, %d mismatches", e.Conflicts, e.Mismatches)
		}
	}
}

// C4: two pairs in opposite directions, of disjoint prefixes, do not send each
// other's changes back.
func TestTwoWayPairsDoNotEcho(t *testing.T) {
	t.Parallel()
	newTwoWay(t).run(t, 3_000)
}

// C9: what an importer writes to a cluster is not exported from it.
func TestOverlappingOwnershipIsRefused(t *testing.T) {
	t.Parallel()
	there := newSite(t, withPolicy(prefixPolicy("/first/", "/first/")))
	there.put("/first/a", "1")
	there.startExporter()
	there.startImporter()
	at := there.sourceRevision()
	there.report("has it", func(e status.Edge) bool { return e.VerifiedRevision >= at })
	back := newSite(t, between(there.target, there.source), withPolicy(prefixPolicy("/fi", "/fi")))
	back.startExporter()
	back.startImporter()
	e := back.report("is refused", func(e status.Edge) bool { return strings.Contains(e.Reason, "importer writes") })
	if !strings.Contains(e.Try, "exclude") || !strings.Contains(e.Reason, "/first/") {
		t.Errorf("the report does not help: %q, %q", e.Reason, e.Try)
	}
	if got := back.content(there.source.Client(), "/first/"); len(got) != 1 {
		t.Errorf("the source holds %v", got)
	}
}

// C5: in a ring of three the last pair is refused, and nothing goes round.
func TestRingOfThreeDoesNotCirculate(t *testing.T) {
	t.Parallel()
	ab := newSite(t, withPolicy(prefixPolicy("/a/", "/b/")))
	bc := newSite(t, withPolicy(prefixPolicy("/mine/", "/c/")), func(s *site) { s.source = ab.target })
	ca := newSite(t, withPolicy(prefixPolicy("/c/", "/a/")), between(bc.target, ab.source))
	ab.put("/a/x", "1")
	for _, s := range []*site{ab, bc} {
		s.startExporter()
		s.startImporter()
		at := s.sourceRevision()
		s.report("has what there is", func(e status.Edge) bool { return e.State == status.InSync && e.VerifiedRevision >= at })
	}
	ca.startExporter()
	ca.startImporter()
	ca.report("is refused", func(e status.Edge) bool { return strings.Contains(e.Reason, "importer writes") })
	if got := ab.content(ab.source.Client(), "/a/"); len(got) != 1 || got["/a/x"] != "1" {
		t.Errorf("the first cluster holds %v", got)
	}
}
