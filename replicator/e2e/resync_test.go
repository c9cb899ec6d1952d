package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
	syncstream "github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// What can happen to a key during an outage, with the stream and without it.
func TestRenamesDuringAnOutage(t *testing.T) {
	t.Parallel()
	for name, purged := range map[string]bool{"history kept": false, "history lost": true} {
		t.Run(name, func(t *testing.T) {
			s, tr, d := runningSite(t)
			for _, key := range []string{"deleted", "renamed", "same-again", "other-again", "swapped-a", "swapped-b"} {
				s.put("/apps/"+key, "before "+key)
			}
			s.settle()
			d.stopImporter()
			cli, ctx := s.source.Client(), t.Context()
			for _, ops := range [][]clientv3.Op{
				{clientv3.OpDelete("/apps/deleted")},
				{clientv3.OpDelete("/apps/renamed"), put("/apps/new-name", "before renamed")},
				{clientv3.OpDelete("/apps/same-again")},
				{put("/apps/same-again", "before same-again")},
				{clientv3.OpDelete("/apps/other-again")},
				{put("/apps/other-again", "after")},
				{put("/apps/swapped-a", "before swapped-b"), put("/apps/swapped-b", "before swapped-a")},
				{put("/apps/short-lived", "1")},
				{clientv3.OpDelete("/apps/short-lived")},
			} {
				if _, err := cli.Txn(ctx).Then(ops...).Commit(); err != nil {
					t.Fatal(err)
				}
			}
			if purged {
				s.exporterHas(s.sourceRevision())
				if err := s.stream().Purge(ctx); err != nil {
					t.Fatal(err)
				}
			}
			s.startImporter()
			s.settle()
			s.check(tr)
		})
	}
}

// exporterHas waits until the exporter has published everything up to a
// revision.
func (s *site) exporterHas(revision int64) {
	s.t.Helper()
	s.exporterReport(fmt.Sprintf("has published revision %d", revision), func(e status.Exporter) bool {
		return len(e.Channels) > 0 && e.Channels[0].Revision >= revision
	})
}

// An edge that lost everything repairs itself while the source is written as
// fast as it takes it, and no newer change is undone by an older chunk.
func TestResyncAtFullRate(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t)
	s.fill("/apps/bulk/", 3000, 1<<10)
	s.settle()
	s.under(workload.Load{Writers: 2}, func() {
		for range 2 {
			d.stopImporter()
			s.remove(s.inboxFile())
			s.remove(filepath.Join(s.edge.DataDir, "channel.json"))
			tr.breakTarget(func() error { return s.target.Wipe(t.Context()) })
			d.stopImporter = s.startImporter()
			s.goesOn()
		}
	})
	s.settle()
	s.check(tr)
}

// forged are digest pages that are not the answer to the edge's question.
var forged = map[string]func(change.Frame) []byte{
	"of another lineage": func(f change.Frame) []byte {
		f.Lineage = change.NewLineage()
		return change.EncodeFrame(f)
	},
	"of another place in the chain": func(f change.Frame) []byte {
		f.PrevHash = change.Hash{1}
		return change.EncodeFrame(f)
	},
	"damaged": func(f change.Frame) []byte {
		f.Body = append([]byte(nil), f.Body...)
		f.Body[len(f.Body)/2] ^= 0xff
		return change.EncodeFrame(f)
	},
}

// An edge that asks for a digest page gets others first, by which it would
// delete everything. It takes none of them.
func TestForgedPage(t *testing.T) {
	t.Parallel()
	for name, forge := range forged {
		t.Run(name, func(t *testing.T) {
			s, tr, d := runningSite(t)
			d.stopImporter()
			s.load(t.Context(), workload.Load{Ops: 100})
			s.exporterHas(s.sourceRevision())
			if err := s.stream().Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
			var sent atomic.Int64
			s.answerPages(forge, &sent)
			tr.catchUp(tr.target().recorder)
			seen := len(tr.target().recorder.History().Revs)
			keys := len(s.have())
			d.stopImporter = s.startImporter()
			s.settle()
			if sent.Load() == 0 {
				t.Error("no page was forged: the test did not do what it claims")
			}
			tr.catchUp(tr.target().recorder)
			deleted := 0
			for _, rev := range tr.target().recorder.History().Revs[seen:] {
				for _, e := range rev.Events {
					if e.Delete {
						deleted++
					}
				}
			}
			if deleted > keys/2 {
				t.Errorf("%d of %d keys were deleted by way of a forged page", deleted, keys)
			}
			s.check(tr)
		})
	}
}

// answerPages answers the edge's questions for pages with an empty page, faster
// than the exporter, in a frame that forge makes wrong.
func (s *site) answerPages(forge func(change.Frame) []byte, sent *atomic.Int64) {
	s.t.Helper()
	empty, err := change.Compress(change.EncodePage([]change.PageRange{{}}))
	if err != nil {
		s.t.Fatal(err)
	}
	stream := s.stream()
	_, err = s.admin.Subscribe(syncstream.RPCSubject("cloud", "store-1"), func(m *nats.Msg) {
		var req syncstream.Request
		// Only the first ones: each message of a stranger has the exporter
		// start over, and a page that it was making is lost.
		if json.Unmarshal(m.Data, &req) != nil || req.Page == nil || sent.Load() == 3 {
			return
		}
		newest, err := stream.GetLastMsgForSubject(s.t.Context(), syncstream.LogSubject("cloud", "flags"))
		if err != nil {
			return
		}
		f, err := change.DecodeFrame(newest.Data)
		if err != nil {
			return
		}
		f.Kind, f.Request, f.PrevHash, f.Body = change.KindPage, req.Page.ID, change.HashOf(newest.Data), empty
		f.Prev, f.First, f.Part, f.Parts, f.Open = f.Last, f.Last, 0, 1, false
		if s.admin.Publish(syncstream.EdgeSubject("cloud", "store-1"), forge(f)) == nil {
			sent.Add(1)
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// The target cannot be read in the middle of a comparison. That is no equality
// and no emptiness: the edge does not say that it is in sync, and goes on when
// the target is back.
func TestTargetIsSilentDuringAComparison(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t, withTargetLink)
	s.fill("/apps/bulk/", 3000, 1<<10)
	s.settle()
	d.stopImporter()
	s.load(t.Context(), workload.Load{Ops: 100})
	s.exporterHas(s.sourceRevision())
	if err := s.stream().Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.targetLink.Throttle(1 << 20) // a listing takes three seconds
	_, down := s.targetLink.Passed()
	mark := s.reports.mark()
	d.stopImporter = s.startImporter()
	s.until("the target is being read", func() bool { _, now := s.targetLink.Passed(); return now > down+200<<10 })
	s.targetLink.BlackHole()
	end := time.Now().Add(longest)
	s.until("the timeouts have passed", func() bool { return time.Now().After(end) })
	edges, _ := s.reports.since(mark)
	for _, e := range edges {
		if e.State == status.InSync {
			t.Errorf("the edge says that it is in sync while its target is silent: %+v", e)
			break
		}
	}
	s.targetLink.Cut()
	s.targetLink.Throttle(0)
	s.targetLink.Pass()
	s.settle()
	s.check(tr)
}
