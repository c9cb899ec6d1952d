package target

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

const (
	benchObjects = 1600 // in a round of each kind
	benchValue   = 1 << 10
)

// BenchmarkApplyRatio applies objects of 1 KiB as commits, and as many by a bare
// client with as many workers, by turns. It reports the objects per second of
// either and how much of the client's a commit reaches.
func BenchmarkApplyRatio(b *testing.B) {
	e := newEdge(b)
	e.mustCommit(1, namespace(e.ns))
	var ours, bare time.Duration
	rounds := 0
	for b.Loop() {
		rounds++
		text := func(by string, i int) change.Change {
			return configMap(e.ns, fmt.Sprintf("%s-%d-%d", by, rounds, i), strings.Repeat(fmt.Sprint(i%10), benchValue))
		}
		var changes, plain []change.Change
		for i := range benchObjects {
			changes, plain = append(changes, text("ours", i)), append(plain, text("bare", i))
		}
		turn := func() { ours += timed(func() { e.benchCommit(b, changes) }) }
		other := func() { bare += timed(func() { e.benchBare(b, plain) }) }
		if rounds%2 == 0 {
			turn, other = other, turn
		}
		turn()
		other()
	}
	n := float64(rounds * benchObjects)
	b.ReportMetric(n/ours.Seconds(), "applied/s")
	b.ReportMetric(n/bare.Seconds(), "bare/s")
	b.ReportMetric(100*bare.Seconds()/ours.Seconds(), "%ofbare")
}

func timed(fn func()) time.Duration {
	began := time.Now()
	fn()
	return time.Since(began)
}

// benchCommit commits in pieces of the size in which an importer follows.
func (e *edge) benchCommit(b *testing.B, changes []change.Change) {
	piece := e.Together() / changes[0].Size()
	for i := 0; i < len(changes); i += piece {
		part := changes[i:min(i+piece, len(changes))]
		if _, err := e.Commit(b.Context(), target.Tx{Changes: part, Cursor: &target.Cursor{Revision: int64(i)}}); err != nil {
			b.Fatal(err)
		}
	}
}

func (e *edge) benchBare(b *testing.B, changes []change.Change) {
	at := e.client.Objects.Resource(configMaps).Namespace(e.ns)
	next := make(chan change.Change)
	var workers sync.WaitGroup
	force := true
	for range mostWorkers {
		workers.Go(func() {
			for c := range next {
				n, _ := parseKey(c.Key)
				if _, err := at.Patch(context.WithoutCancel(b.Context()), n.name, types.ApplyPatchType, c.Value, metav1.PatchOptions{FieldManager: "bare", Force: &force}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for _, c := range changes {
		next <- c
	}
	close(next)
	workers.Wait()
}
