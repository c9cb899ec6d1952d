package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// fromCloud is the operator in the cloud: commands go to the exporter, which
// sends them on in the order of the edge's frames, and what edges tell is in
// their reports on the hub.
type fromCloud struct {
	cloud    *cloud
	observer *observer
	newest   map[string]change.Position // of the last look
	floors   map[string]change.Position // since settle
}

func openInCloud(cmd *cobra.Command, s *session, c *cloud, edge string) (operator, error) {
	var err error
	if c.nc, err = c.connect(cmd.Context(), s.log.quiet(cmd.ErrOrStderr())); err != nil {
		return nil, err
	}
	observer, err := newObserver(c, edge)
	if err != nil {
		c.nc.Close()
		return nil, err
	}
	return &fromCloud{cloud: c, observer: observer}, nil
}

func (o *fromCloud) send(ctx context.Context, edge string, c command.Command) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	err := jetstream.AskCommand(ctx, o.cloud.nc, o.cloud.cfg.Name, edge, c)
	var explained *fault.Error
	if errors.As(err, &explained) && o.cloud.nc.IsConnected() {
		return err
	}
	return o.cloud.explain(err)
}

func (o *fromCloud) look(ctx context.Context) ([]sight, error) {
	v, err := o.observer.look(ctx, o.floors)
	if err != nil {
		return nil, err
	}
	o.newest = v.newest
	out := make([]sight, 0, len(v.list.Items))
	for _, it := range v.list.Items {
		out = append(out, sight{item: it, paired: v.paired[it.Name]})
	}
	return out, nil
}

func (o *fromCloud) changed(ctx context.Context) error { return o.observer.changed(ctx) }

func (o *fromCloud) settle() { o.floors = o.newest }

func (o *fromCloud) close() {
	o.observer.close()
	o.cloud.nc.Close()
}
