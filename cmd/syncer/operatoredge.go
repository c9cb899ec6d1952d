package main

import (
	"context"
	"errors"
	"time"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/control"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// atEdge is the operator at an edge. It needs no hub to give a command;
// commands that compare wait at the importer until it has one.
type atEdge struct {
	client *control.Client
	path   string // of the configuration
}

func openAtEdge(cfg *config.Importer, path, edge string) (operator, error) {
	if edge != "" && edge != cfg.Name {
		return nil, anotherEdge(cfg, path, edge)
	}
	return &atEdge{client: control.NewClient(cfg.DataDir), path: path}, nil
}

func (o *atEdge) send(ctx context.Context, _ string, c command.Command) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return o.explain(o.client.Command(ctx, c))
}

func (o *atEdge) look(ctx context.Context) ([]sight, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	e, err := o.client.Status(ctx)
	if err != nil {
		return nil, o.explain(err)
	}
	return []sight{{item: status.Own(e), paired: true}}, nil
}

// explain names the file in the remedy for an importer that does not run.
func (o *atEdge) explain(err error) error {
	if errors.Is(err, control.ErrNotRunning) {
		return fault.New(fault.Unreachable, "start it: syncer import -c "+o.path, "%w", err)
	}
	return err
}

// glance is the time between two looks at an importer on the same host.
const glance = 250 * time.Millisecond

func (o *atEdge) changed(ctx context.Context) error {
	timer := time.NewTimer(glance)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (o *atEdge) settle() {}

func (o *atEdge) close() { o.client.Close() }
