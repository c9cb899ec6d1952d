package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

func newParked(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "parked",
		GroupID: groupOperate,
		Short:   "See to changes that an edge could not apply, or must not without you",
		Long: `What an edge cannot apply, and trying again does not help, it parks: the keys keep
their old values, everything else goes on, and the edge is "degraded". What the
mass-delete guard stops is parked too; then the edge is "halted" until somebody
runs: syncer resync EDGE --approve

  mass-delete  deletes that are more than the guard lets through
  too-large    the target takes no value of that size
  forbidden    the target's user may not write the key
  invalid      the target refuses the key or the value

A report names the 20 oldest groups of an edge.`,
	}
	group(cmd)
	cmd.AddCommand(newParkedList(s), newParkedShow(s), newParkedRetry(s), newParkedDrop(s))
	return cmd
}

// parkedView is one parked group for programs.
type parkedView struct {
	Edge string `json:"edge"`
	status.Parked
}

// groupsOf are the parked groups of edges, oldest first of each.
func groupsOf(sights []sight) []parkedView {
	out := []parkedView{}
	for _, s := range sights {
		for _, g := range s.item.Parked {
			out = append(out, parkedView{Edge: s.item.Name, Parked: g})
		}
	}
	return out
}

// find gives the parked groups of the IDs, which must be of one edge.
func find(sights []sight, ids []string) (sight, []status.Parked, error) {
	var edge sight
	var out []status.Parked
	all := groupsOf(sights)
	var problems []error
	for _, id := range ids {
		var holders []string
		for _, g := range all {
			if g.ID != id {
				continue
			}
			holders = append(holders, g.Edge)
			out = append(out, g.Parked)
		}
		switch {
		case len(holders) == 0:
			problems = append(problems, unknownGroup(id, all))
		case len(holders) > 1 || edge.item.Name != "" && edge.item.Name != holders[0]:
			return sight{}, nil, fault.New(fault.Usage, "name it with --edge", "the groups are of more than one edge: %s", strings.Join(holders, ", "))
		default:
			edge = named(sights, holders[0])
		}
	}
	return edge, out, errors.Join(problems...)
}

func named(sights []sight, edge string) sight {
	for _, s := range sights {
		if s.item.Name == edge {
			return s
		}
	}
	return sight{}
}

func unknownGroup(id string, all []parkedView) error {
	known := make([]string, len(all))
	for i, g := range all {
		known[i] = g.ID
	}
	if near := nearest(id, known); near != "" {
		return fault.New(fault.Usage, "syncer parked list", "no group %q is parked; did you mean %q?", id, near)
	}
	return fault.New(fault.Usage, "syncer parked list", "no group %q is parked", id)
}

// openParked opens the side for one edge or all, and looks once.
func (s *session) openParked(cmd *cobra.Command, edge string) (operator, []sight, error) {
	op, err := s.openOperator(cmd, edge)
	if err != nil {
		return nil, nil, err
	}
	sights, err := op.look(cmd.Context())
	if err != nil {
		op.close()
		return nil, nil, err
	}
	return op, sights, nil
}

// parkedHere are the edges that have something parked.
func parkedHere(sights []sight) []sight {
	var out []sight
	for _, s := range sights {
		if len(s.item.Parked) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// beyond says how many parked keys a report does not name.
func beyond(it status.Item) string {
	shown := 0
	for _, g := range it.Parked {
		shown += g.Keys
	}
	if it.ParkedKeys <= shown {
		return ""
	}
	return fmt.Sprintf("%s: %d more keys are parked in newer groups, which are named when these are seen to", it.Name, it.ParkedKeys-shown)
}
