package exporter

import (
	"testing"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// An edge that attaches behind a command gets it with the answer. The one whose
// answer was lost gets it with the next: the operator was told that the hub holds it.
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
		reply, err := c.attach(t.Context(), "store-1", &jetstream.AttachRequest{})
		if err != nil {
			t.Fatal(err)
		}
		c.stopWatching()
		shut()
		if len(reply.Orders) != 1 {
			t.Fatalf("attach %d is answered with %d commands, want 1", term+1, len(reply.Orders))
		}
		if got, _, err := command.FromMessage(reply.Orders[0]); err != nil || got.ID != given.ID {
			t.Errorf("attach %d is answered with the command %+v, %v", term+1, got, err)
		}
	}
}

// Commands that are too many for the answer are sent behind it.
func TestCommandsThatDoNotFitTheAnswer(t *testing.T) {
	big := func(n int) jetstream.Message { return jetstream.Message{Data: make([]byte, n)} }
	for _, c := range []struct {
		sizes []int
		fit   int
	}{
		{nil, 0}, {[]int{maxOrders}, 1}, {[]int{maxOrders + 1}, 0}, {[]int{maxOrders / 2, maxOrders / 2, 1}, 2}, {[]int{10, maxOrders, 10}, 1},
	} {
		var messages []jetstream.Message
		for _, n := range c.sizes {
			messages = append(messages, big(n))
		}
		if got := len(fitting(messages)); got != c.fit {
			t.Errorf("of %v the first %d fit, want %d", c.sizes, got, c.fit)
		}
	}
}
