package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/change"
	syncstream "github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// longest is longer than anything waits for an answer: an acknowledgement 10
// seconds, a leader for its quorum 10 seconds.
const longest = 12 * time.Second

// leaderLoss is a way in which a stream loses its leader, who comes back.
type leaderLoss struct {
	rounds int
	lose   func(*site, *testbed.HubNode)
}

// leaderLosses are those that do not take long; `make fault` has more of them.
var leaderLosses = map[string]leaderLoss{
	"stopped": {2, func(s *site, n *testbed.HubNode) {
		s.do(n.Stop)
		s.goesOn()
		s.rejoins(n)
	}},
	"killed": {1, killLeader},
	"steps down": {6, func(s *site, n *testbed.HubNode) {
		s.await("have "+n.Name+" step down", func() error {
			return s.cluster.Stepdown(s.t.Context(), s.admin, syncstream.Stream("cloud"))
		})
	}},
}

func killLeader(s *site, n *testbed.HubNode) {
	s.do(n.Kill)
	s.goesOn()
	s.rejoins(n)
}

// do does what may not fail.
func (s *site) do(what func() error) {
	s.t.Helper()
	if err := what(); err != nil {
		s.t.Fatal(err)
	}
}

// await does what fails for a while.
func (s *site) await(what string, do func() error) {
	s.t.Helper()
	var last error
	deadline := time.Now().Add(patience)
	for {
		if last = do(); last == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: %v", what, last)
		}
	}
}

func (s *site) rejoins(n *testbed.HubNode) {
	s.t.Helper()
	if err := n.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.whole()
}

// burst writes much at once and returns when the first of it is on its way:
// what happens next happens while messages are published.
func (s *site) burst(i int) {
	s.t.Helper()
	_, before := s.reported()
	s.fill("/apps/burst/", 300+i, 2<<10)
	s.until("a burst is being published", func() bool {
		_, now := s.reported()
		return now > before
	})
}

// reported is the revision and the changed revision that the exporter last
// reported; unlike the stream it can be asked while nobody leads.
func (s *site) reported() (revision, changed int64) {
	e, ok, _ := s.reports.newestExporter()
	if !ok || len(e.Channels) == 0 {
		return 0, 0
	}
	return e.Channels[0].Revision, e.Channels[0].Changed
}

func TestHubClusterLosesItsLeader(t *testing.T) {
	for name, loss := range leaderLosses {
		t.Run(name, func(t *testing.T) { loseLeaders(t, loss) })
	}
}

// loseLeaders has the stream lose its leader again and again, each time while
// messages are being published.
func loseLeaders(t *testing.T, loss leaderLoss) {
	t.Helper()
	s, tr, _ := runningSite(t, withCluster)
	s.whole()
	before := s.settle()
	s.under(gentle(), func() {
		for i := range loss.rounds {
			n := s.leads()
			s.burst(i)
			loss.lose(s, n)
			s.goesOn()
		}
	})
	after := s.settle()
	if after.Mismatches != before.Mismatches || after.Lineage != before.Lineage {
		t.Errorf("the loss of a leader reached the edge: %+v, before %+v", after, before)
	}
	t.Logf("%d resyncs, %d gaps, %d replayed", after.Resyncs-before.Resyncs, after.Gaps-before.Gaps, after.Replayed-before.Replayed)
	s.oneChain()
	s.check(tr)
}

// oneChain reads the whole channel from the stream: every frame names the one
// before it, so nothing was published twice, reordered, or by two writers at
// once. It gives the writers in their order.
func (s *site) oneChain() (writers []string) {
	s.t.Helper()
	stream, subject := s.stream(), syncstream.LogSubject("cloud", "flags")
	var tail change.Hash
	for seq := uint64(1); ; {
		var m *jetstream.RawStreamMsg
		s.await(fmt.Sprintf("read from message %d", seq), func() (err error) { // nobody may lead right now
			m, err = stream.GetMsg(s.t.Context(), seq, jetstream.WithGetMsgSubject(subject))
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				return nil
			}
			return err
		})
		if m == nil {
			return writers
		}
		f, err := change.DecodeFrame(m.Data)
		if err != nil {
			s.t.Fatalf("message %d: %v", m.Sequence, err)
		}
		if !tail.IsZero() && f.PrevHash != tail {
			s.t.Errorf("message %d, a %v of revision %d by %s, does not follow the frame before it", m.Sequence, f.Kind, f.Last, f.Writer)
		}
		if len(writers) == 0 || writers[len(writers)-1] != f.Writer {
			writers = append(writers, f.Writer)
		}
		tail, seq = change.HashOf(m.Data), m.Sequence+1
	}
}

// Two exporters, of which one stands by, and a hub that loses the leader of the
// stream: whoever goes on, one chain comes of it. Then the active one ends while
// nobody leads.
func TestTwoExportersThroughALeaderLoss(t *testing.T) {
	twoExporters(t, 1, (*testbed.HubNode).Stop)
}

func twoExporters(t *testing.T, rounds int, end func(*testbed.HubNode) error) {
	t.Helper()
	s, tr, d := runningSite(t, withCluster)
	first := s.exporterReport("is active", func(e status.Exporter) bool { return e.Role == "active" }).Instance
	s.second()
	s.whole()
	s.under(gentle(), func() {
		for i := range rounds {
			n := s.leads()
			s.burst(i)
			s.do(func() error { return end(n) })
			s.goesOn()
			s.rejoins(n)
		}
		n := s.leads()
		s.burst(rounds)
		s.do(func() error { return end(n) })
		d.stopExporter()
		s.exporterReport("is the standby's", func(e status.Exporter) bool { return e.Instance != first })
		s.goesOn()
		s.rejoins(n)
	})
	s.settle()
	if writers := s.oneChain(); len(writers) < 2 {
		t.Errorf("only %v wrote: the test did not do what it claims", writers)
	}
	s.check(tr)
}
