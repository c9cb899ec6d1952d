package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// operator gives commands to edges and sees what they tell of them: from the
// cloud's side by way of the hub, at an edge by way of its control socket. One
// goroutine uses it.
type operator interface {
	// send gives a command to an edge. The edge carries it out later, and once,
	// however often it is sent.
	send(ctx context.Context, edge string, c command.Command) error
	// look gives the edges that the operator was opened for, by name.
	look(ctx context.Context) ([]sight, error)
	// changed waits until there may be something new to see.
	changed(ctx context.Context) error
	// settle has later looks take an edge as in sync that has proven what the
	// source held by now, however much the source changes meanwhile.
	settle()
	close()
}

// sight is what was last seen of an edge.
type sight struct {
	item   status.Item // judged; its State is Disconnected when nothing was heard
	paired bool        // it has joined and is let in
}

// task is what the edge tells of a command.
func (s sight) task(id string) (command.Task, bool) {
	for _, t := range s.item.Tasks {
		if t.ID == id {
			return t, true
		}
	}
	return command.Task{}, false
}

// openOperator opens the side that the configuration is of. edge is the edge
// that the command is about; "" is all paired edges in the cloud, and this one
// at an edge.
func (s *session) openOperator(cmd *cobra.Command, edge string) (operator, error) {
	file, path, err := s.anyConfig()
	switch {
	case err != nil:
		return nil, err
	case file.Importer != nil:
		return openAtEdge(file.Importer, path, edge)
	}
	c := &cloud{cfg: file.Exporter, file: path}
	return openInCloud(cmd, s, c, edge)
}

// theEdge opens the side that the configuration is of for one edge, and gives
// its name.
func (s *session) theEdge(cmd *cobra.Command, edge string) (operator, sight, error) {
	if edge == "" {
		if err := s.needsName(cmd); err != nil {
			return nil, sight{}, err
		}
	}
	op, err := s.openOperator(cmd, edge)
	if err != nil {
		return nil, sight{}, err
	}
	sights, err := op.look(cmd.Context())
	if err == nil && len(sights) == 1 {
		return op, sights[0], nil
	}
	op.close()
	if err == nil {
		err = fmt.Errorf("%d edges are named %q", len(sights), edge)
	}
	return nil, sight{}, err
}

// needsName is an error in the cloud, where there are many edges.
func (s *session) needsName(cmd *cobra.Command) error {
	file, _, err := s.anyConfig()
	if err != nil || file.Exporter == nil {
		return err
	}
	return fault.New(fault.Usage, cmd.CommandPath()+" EDGE, one of: syncer pair list", "%s needs the name of the edge", cmd.CommandPath())
}

// anotherEdge is the error for a name that is not this edge's.
func anotherEdge(cfg *config.Importer, path, edge string) error {
	return fault.New(fault.Usage, "leave the name out here, or run the command with the cloud's configuration: -c cloud.yaml",
		"%s is the configuration of edge %s, not of %q", path, cfg.Name, edge)
}
