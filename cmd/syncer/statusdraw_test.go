package main

import (
	"strings"
	"testing"

	"github.com/syncer-io/syncer/replicator/status"
)

// Whatever is to be said of a spool stands below the source, also without edges.
func TestStatusDrawsTheSpool(t *testing.T) {
	for want, spool := range map[string]*status.Spool{
		"  spooled of channel flags: 3 revisions up to revision 120, 2.0 KiB of 1.0 MiB": {
			Bytes: 2 << 10, MaxBytes: 1 << 20, Revision: 120, Revisions: 3,
		},
		"  the spool of channel flags reached its bound of 1.0 MiB and was dropped: the spool is full": {
			MaxBytes: 1 << 20, Full: true, Reason: "the spool is full",
		},
		"  nothing is spooled of channel flags: the disk is full": {MaxBytes: 1 << 20, Reason: "the disk is full"},
	} {
		for _, edges := range [][]status.Item{nil, {{Name: "store-1", State: status.InSync}}} {
			var p page
			statusOptions{}.draw(&p, status.List{
				Source: status.SourceView{Name: "cloud", Channels: []status.Channel{{Name: "flags", Spool: spool}, {Name: "apps"}}},
				Items:  edges,
			})
			if lines := strings.Split(p.String(), "\n"); lines[1] != want {
				t.Errorf("the line below the source is %q, want %q; all of it:\n%s", lines[1], want, p.String())
			}
		}
	}
}

// What fails is told also while no edge is paired.
func TestStatusDrawsAChannelThatFails(t *testing.T) {
	var p page
	statusOptions{}.draw(&p, status.List{Source: status.SourceView{Name: "cloud", Channels: []status.Channel{
		{Name: "flags", Trouble: "the source does not answer", Try: "start it"},
	}}})
	if !strings.HasSuffix(p.String(), "channel flags fails and is tried again:\n  the source does not answer\n  Try: start it\n") {
		t.Errorf("the page ends otherwise:\n%s", p.String())
	}
}
