package e2e

import (
	"testing"

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

// What is edited at the edge is found, said, and put right, also on an idle
// channel.
func TestLocalEdit(t *testing.T) {
	t.Parallel()
	for what, edit := range edits {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, tr, _ := runningSite(t)
			s.put("/apps/known", "as the source has it")
			before := s.settle()
			tr.writeTarget(edit(s)...)
			mark := s.reports.mark()
			s.reportSince(mark, "counts the difference", func(e status.Edge) bool { return e.Mismatches > before.Mismatches })
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
			s.report("counts the difference", func(e status.Edge) bool { return e.Mismatches > before.Mismatches })
		}
	})
	s.settle()
	s.check(tr)
}
