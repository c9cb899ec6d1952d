package testbed

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A stream on three nodes survives its leader's end in every way, and what was
// acknowledged is there.
func TestHubClusterKeepsWhatItAcknowledged(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := NewHubCluster(t, HubClusterConfig{})
	nc, err := nats.Connect(c.URLs(), nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	// A question that is asked while nobody leads gets no answer.
	persist := func(what string, do func(context.Context) error) {
		t.Helper()
		for {
			once, cancel := context.WithTimeout(ctx, askTime)
			err := do(once)
			cancel()
			if err == nil {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	persist("make the stream", func(ctx context.Context) error {
		_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "LOG", Subjects: []string{"log"}, Replicas: 3})
		return err
	})
	sent := 0
	for _, end := range []func(*HubNode) error{
		(*HubNode).Stop, (*HubNode).Kill, func(*HubNode) error { return c.Stepdown(ctx, nc, "LOG") },
	} {
		for range 10 {
			sent++
			persist("publish", func(ctx context.Context) error {
				_, err := js.Publish(ctx, "log", fmt.Append(nil, sent), jetstream.WithMsgID(fmt.Sprint(sent)))
				return err
			})
		}
		n, err := c.Leader(ctx, nc, "LOG")
		if err != nil {
			t.Fatal(err)
		}
		persist("end the leadership of "+n.Name, func(context.Context) error { return end(n) })
		if _, err := c.Leader(ctx, nc, "LOG"); err != nil {
			t.Fatal(err)
		}
		if err := n.Start(ctx); err != nil {
			t.Fatal(err)
		}
		if err := c.Whole(ctx, nc, "LOG"); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := js.Stream(ctx, "LOG")
	if err != nil {
		t.Fatal(err)
	}
	if last := stream.CachedInfo().State.LastSeq; last != uint64(sent) {
		t.Errorf("%d messages were acknowledged, the stream ends at %d", sent, last)
	}
}
