package e2e

import (
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// edits are what somebody at the edge can do to the selection.
var edits = map[string]func(*site) []clientv3.Op{
	"change":   func(*site) []clientv3.Op { return []clientv3.Op{put("/apps/known", "edited here")} },
	"addition": func(*site) []clientv3.Op { return []clientv3.Op{put("/edge/flags/extra", "made here")} },
	"delete":   func(*site) []clientv3.Op { return []clientv3.Op{clientv3.OpDelete("/apps/known")} },
	"swap": func(*site) []clientv3.Op {
		return []clientv3.Op{clientv3.OpDelete("/apps/known"), put("/apps/extra", "made here")}
	},
}

// counted is how many conflicts an edge has counted.
func counted(e status.Edge) (n int64) {
	for _, of := range e.Conflicts {
		n += of
	}
	return n
}

// What is edited at the edge is seen, said, and put back, also on an idle
// channel.
func TestLocalEdit(t *testing.T) {
	t.Parallel()
	for what, edit := range edits {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, tr, _ := runningSite(t)
			s.put("/apps/known", "as the source has it")
			before := s.settle()
			mark := s.reports.mark()
			tr.writeTarget(edit(s)...)
			s.waitEqual(patience)
			e := s.reportSince(mark, "counts the edit", func(e status.Edge) bool { return counted(e) > counted(before) })
			if e.Mismatches != before.Mismatches {
				t.Error("it was compared, and not put back")
			}
			s.settle()
			s.load(t.Context(), workload.Load{Ops: 50})
			s.settle()
			s.check(tr)
		})
	}
}

// Edits that keep coming do not keep the edge from following the source.
func TestLocalEditsUnderLoad(t *testing.T) {
	t.Parallel()
	s, tr, _ := runningSite(t)
	s.under(gentle(), func() {
		for range 3 {
			before := s.report("is in sync", in(status.InSync))
			tr.writeTarget(put("/apps/extra", "made here"))
			s.report("counts the edit", func(e status.Edge) bool { return counted(e) > counted(before) })
		}
	})
	s.settle()
	s.check(tr)
}

// Without its hub the edge puts back what is edited: it knows what was
// replicated last. That holds for an importer that was not running, too.
func TestLocalEditIsPutBackOffline(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t)
	s.put("/apps/known", "as the source has it")
	s.settle()
	s.stopHub()
	events := s.target.Client().Watch(clientv3.WithRequireLeader(t.Context()), "/apps/known")
	tr.writeTarget(put("/apps/known", "edited offline"), clientv3.OpDelete("/apps/gone"))
	t.Logf("the edit was put back %v after a watch told of it", timeBetween(t, events, "edited offline", "as the source has it"))
	s.waitEqual(patience)
	d.stopImporter()
	tr.writeTarget(clientv3.OpDelete("/apps/known"), put("/edge/flags/extra", "made here"))
	d.stopImporter = s.startImporter()
	s.waitEqual(patience)
	s.startHub()
	s.settle()
	s.check(tr)
}

// timeBetween is the time from when a watch tells that its key has one value to when
// it tells of the next.
func timeBetween(t *testing.T, events clientv3.WatchChan, first, next string) time.Duration {
	t.Helper()
	var seen time.Time
	for over := time.After(patience); ; {
		select {
		case resp, open := <-events:
			if !open || resp.Err() != nil {
				t.Fatalf("the watch of the target ended: %v", resp.Err())
			}
			for _, e := range resp.Events {
				switch value := string(e.Kv.Value); {
				case seen.IsZero() && value == first:
					seen = time.Now()
				case !seen.IsZero() && value == next:
					return time.Since(seen)
				}
			}
		case <-over:
			t.Fatalf("the key did not get %q and then %q", first, next)
		}
	}
}

// R8: a write that passes for the channel's own is an edit to nobody, so that
// what the edge believes to hold is wrong. The first heartbeat behind it tells:
// before anything is claimed, the target is read and repaired.
func TestDigestTellsWhatNobodySaw(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t)
	s.put("/apps/known", "as the source has it")
	s.settle()
	d.stopImporter()
	mark := s.reports.mark()
	tr.writeTarget(
		put("/syncer/mark/cloud/flags", "1"), // what a commit without a cursor writes
		clientv3.OpDelete("/apps/known"), put("/apps/extra", "made here"),
	)
	d.stopImporter = s.startImporter()
	s.reportSince(mark, "found the difference", func(e status.Edge) bool {
		if e.Mismatches == 0 && e.State == status.InSync {
			t.Fatalf("it is believed to be in sync: %+v", e)
		}
		return e.Mismatches > 0
	})
	if e := s.settle(); e.Mismatches != 1 || counted(e) != 0 {
		t.Errorf("one comparison has to find it, and nobody saw an edit: %+v", e)
	}
	s.check(tr)
}
