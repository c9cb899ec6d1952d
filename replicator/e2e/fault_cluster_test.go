//go:build fault

package e2e

import (
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// longLosses take an election after a crash each, and more.
var longLosses = map[string]leaderLoss{
	"killed":                  {6, killLeader},
	"killed and back at once": {6, func(s *site, n *testbed.HubNode) { s.do(n.Kill); s.rejoins(n) }},
	"frozen for longer than every timeout": {2, func(s *site, n *testbed.HubNode) {
		s.do(n.Freeze)
		end := time.Now().Add(longest)
		s.goesOn()
		s.until("the timeouts have passed", func() bool { return time.Now().After(end) })
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
