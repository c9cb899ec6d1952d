//go:build fault

package e2e

import (
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// frozenFor is longer than a client takes to give up a connection that is open
// and does not answer: three pings, 15 seconds apart.
const frozenFor = 60 * time.Second

// longLosses take an election after a crash each, and more.
var longLosses = map[string]leaderLoss{
	"killed":                  {6, killLeader},
	"killed and back at once": {6, func(s *site, n *testbed.HubNode) { s.do(n.Kill); s.rejoins(n) }},
	"frozen for longer than every timeout": {2, func(s *site, n *testbed.HubNode) {
		s.do(n.Freeze)
		select {
		case <-time.After(frozenFor):
		case <-s.t.Context().Done():
		}
		s.goesOn()
		s.do(n.Thaw)
		s.whole()
	}},
}

func TestFaultHubClusterLosesItsLeader(t *testing.T) {
	for name, loss := range longLosses {
		t.Run(name, func(t *testing.T) { loseLeaders(t, loss) })
	}
}

func TestFaultTwoExportersThroughALeaderLoss(t *testing.T) {
	twoExporters(t, 3, (*testbed.HubNode).Kill)
}
