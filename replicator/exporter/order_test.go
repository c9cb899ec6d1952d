package exporter

import (
	"testing"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// An edge that attaches behind a command is sent it again. An exporter that dies
// before it did must not have forgotten it: the operator was told that the hub
// holds it.
func TestCommandOutlivesAnAttachThatWasCutOff(t *testing.T) {
	b := newBench(t)
	b.put("/apps/first")
	given := command.New(command.Pause)
	for term := range 3 {
		c, shut := b.open(t.Context())
		if err := c.recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if term == 0 {
			o := &order{command: given, stored: make(chan struct{}, 1)}
			if err := c.publishCommand(t.Context(), request{edge: "store-1", command: o}); err != nil {
				t.Fatal(err)
			}
			<-o.stored
		}
		if err := c.beat(t.Context()); err != nil { // the edge attaches behind it
			t.Fatal(err)
		}
		if err := c.chain.pub.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.attach(t.Context(), "store-1", &jetstream.AttachRequest{}); err != nil {
			t.Fatal(err)
		}
		c.stopWatching()
		shut() // and nothing of what was queued is published
		close(c.requests)
		again := 0
		for r := range c.requests {
			if r.command != nil && r.command.command.ID == given.ID {
				again++
			}
		}
		if again != 1 {
			t.Errorf("attach %d sends the command again %d times, want 1", term+1, again)
		}
	}
}
