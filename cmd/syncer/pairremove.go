package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	syncstream "github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/pairing"
)

func newPairRemove(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "remove EDGE",
		Short: "Shut an edge out at once",
		Long: `End a pair: its edge is disconnected, and neither the edge nor an unused token is
let in again. What the edge holds stays there.`,
		Example: `  syncer pair remove store-1`,
		Args:    wants(0, "the name of the edge"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return removePair(cmd, s, args[0])
		},
	}
}

func removePair(cmd *cobra.Command, s *session, edge string) error {
	c, err := s.openCloud(cmd)
	if err != nil {
		return err
	}
	defer c.nc.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), answerTime)
	defer cancel()
	before, err := c.pair(ctx, edge)
	if err != nil {
		return err
	}
	registry, err := c.registry(ctx)
	if err != nil {
		return err
	}
	if _, err := registry.Remove(ctx, edge); err != nil {
		return c.explain(err)
	}
	dropped, err := c.dropConsumer(ctx, edge)
	if err != nil {
		return err
	}
	p := &page{}
	describeRemoval(p, before, dropped)
	fmt.Fprint(cmd.OutOrStdout(), p.String())
	fmt.Fprintf(cmd.ErrOrStderr(), "What the edge holds was not touched.\nNext, to let it in again: syncer pair create %s --policy %s\n", edge, before.Policy)
	return nil
}

func describeRemoval(p *page, before pairing.Record, dropped bool) {
	switch before.State {
	case pairing.Removed:
		p.line("pair %s was removed before", before.Name)
	case pairing.Offered:
		p.line("pair %s removed: its token is not accepted any more", before.Name)
	default:
		p.line("pair %s removed: its edge is disconnected and not let in any more", before.Name)
	}
	if dropped {
		p.line("consumer %s of stream %s deleted", pairing.Consumer(before.Name), syncstream.Stream(before.Source))
	}
}

// dropConsumer deletes the edge's consumer and reports whether there was one.
func (c *cloud) dropConsumer(ctx context.Context, edge string) (bool, error) {
	js, err := jetstream.New(c.nc)
	if err != nil {
		return false, fmt.Errorf("open JetStream: %w", err)
	}
	stream := syncstream.Stream(c.cfg.Name)
	err = js.DeleteConsumer(ctx, stream, pairing.Consumer(edge))
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
		return false, nil
	default:
		return false, c.explain(fmt.Errorf("pair %s is removed, but its consumer on %s is not: %w", edge, stream, err))
	}
}
