package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	syncstream "github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/pairing"
)

// pairDetail is one pair, what its edge may do, and where its consumer is.
type pairDetail struct {
	Kind
	pairView
	Publish   []string      `json:"mayPublish"`
	Subscribe []string      `json:"maySubscribe"`
	Consumer  *consumerView `json:"consumer"` // null: the exporter has not made it
}

// consumerView is the edge's place on the hub's stream.
type consumerView struct {
	Stream    string    `json:"stream"`
	Name      string    `json:"name"`
	Delivered uint64    `json:"deliveredSequence"`
	Acked     uint64    `json:"ackedSequence"`
	Pending   uint64    `json:"pendingMessages"`
	Created   time.Time `json:"created"`
}

func newPairShow(s *session) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:     "show EDGE",
		Short:   "Show a pair, its edge's rights, and its place on the stream",
		Example: `  syncer pair show store-1 -o yaml`,
		Args:    wants(0, "the name of the edge"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return showPair(cmd, s, &out, args[0])
		},
	}
	out.addFlags(cmd)
	return cmd
}

func showPair(cmd *cobra.Command, s *session, out *output, edge string) error {
	c, err := s.openCloud(cmd)
	if err != nil {
		return err
	}
	defer c.nc.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), answerTime)
	defer cancel()
	rec, err := c.pair(ctx, edge)
	if err != nil {
		return err
	}
	rights := pairing.EdgePermissions(rec.Source, rec.Name)
	v := pairDetail{
		Kind: kind("Pair"), pairView: viewPair(rec, time.Now()),
		Publish: rights.Publish, Subscribe: rights.Subscribe,
	}
	if v.Consumer, err = c.consumer(ctx, edge); err != nil {
		return err
	}
	return out.print(cmd.OutOrStdout(), v, v.draw, v.Name)
}

func (v pairDetail) draw(p *page) {
	p.line("Edge      %s", v.Name)
	p.line("Source    %s", v.Source)
	p.line("Policy    %s", v.Policy)
	p.line("Labels    %v", v.Labels)
	p.line("State     %s (%s)", v.State, v.since(time.Now()))
	p.line("Created   %s", v.Created.UTC().Format(time.RFC3339))
	if v.Hostname != "" {
		p.line("Host      %s, syncer %s", v.Hostname, v.Version)
	}
	if v.EdgeKey != "" {
		p.line("Key       %s", v.EdgeKey)
	}
	if v.Consumer == nil {
		p.line("Consumer  none: the edge has not attached to the exporter")
	} else {
		p.line("Consumer  %s on %s: acknowledged %d, delivered %d, %d messages wait",
			v.Consumer.Name, v.Consumer.Stream, v.Consumer.Acked, v.Consumer.Delivered, v.Consumer.Pending)
	}
	p.line("May publish")
	for _, subject := range v.Publish {
		p.line("  %s", subject)
	}
	p.line("May subscribe")
	for _, subject := range v.Subscribe {
		p.line("  %s", subject)
	}
}

// pair is the pair of an edge of this source.
func (c *cloud) pair(ctx context.Context, edge string) (pairing.Record, error) {
	recs, err := c.pairsOfSource(ctx)
	if err != nil {
		return pairing.Record{}, err
	}
	for _, r := range recs {
		if r.Name == edge {
			return r, nil
		}
	}
	return pairing.Record{}, unknownEdge(edge, names(recs))
}

// consumer is the edge's consumer, or nil when there is none.
func (c *cloud) consumer(ctx context.Context, edge string) (*consumerView, error) {
	js, err := jetstream.New(c.nc)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	stream := syncstream.Stream(c.cfg.Name)
	consumer, err := js.Consumer(ctx, stream, pairing.Consumer(edge))
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, c.explain(fmt.Errorf("look at consumer %s of %s: %w", edge, stream, err))
	}
	info := consumer.CachedInfo()
	return &consumerView{
		Stream: stream, Name: info.Name, Created: info.Created,
		Delivered: info.Delivered.Stream, Acked: info.AckFloor.Stream, Pending: info.NumPending,
	}, nil
}
