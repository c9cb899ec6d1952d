package exporter

import (
	"testing"
	"testing/synctest"
	"time"
)

// Edges whose requests trickle in share pages too: two a second at most.
func TestPagesOfALargeChannelAreFew(t *testing.T) {
	for _, c := range []struct {
		edges int
		waits []time.Duration // of requests that come one after the other's page
	}{
		{edges: sharedPage - 1, waits: []time.Duration{0, 0, 0}},
		{edges: 500, waits: []time.Duration{pageWait, mostPageWait, mostPageWait}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var p pages
			for i, want := range c.waits {
				began := time.Now()
				p.want(pageJob{}, c.edges)
				<-p.due
				if waited := time.Since(began); waited != want {
					t.Errorf("request %d in a channel of %d edges waited %v, want %v", i, c.edges, waited, want)
				}
				p.published()
			}
			<-time.After(mostPageWait)
			began := time.Now()
			p.want(pageJob{}, c.edges)
			<-p.due
			if waited := time.Since(began); waited > pageWait {
				t.Errorf("a request long after the last page waited %v", waited)
			}
		})
	}
}
