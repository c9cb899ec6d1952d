package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
)

func newConflicts(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "conflicts",
		GroupID: groupOperate,
		Short:   "See what edges changed themselves, and decide what waits for you",
		Long: `When somebody at an edge changes a key that is replicated, the policy's rule says
who wins: source-wins, edge-wins, hold, which waits for you, or merge. What was
decided is on record at the edge, with what each side had.

  update_dirty    the edge changed a value that the source has too
  update_missing  the edge deleted a key that the source has
  delete_dirty    the edge wrote a key that the source deleted or never had
  delete_missing  both deleted it
  insert_exists   both made it
  group           it changed together with a key that is in conflict

From the cloud the edge is asked by a command, and answers in its report: an edge
that is away answers when it comes back. At the edge nothing but its importer has
to run.`,
	}
	group(cmd)
	cmd.AddCommand(newConflictsList(s), newConflictsShow(s), newConflictsResolve(s))
	return cmd
}

// teller of conflicts: the control socket of the importer. In the cloud they are
// asked for by a command.
type tellsConflicts interface {
	conflicts(ctx context.Context, q command.Query) (found []ledger.Record, more bool, err error)
}

// conflicts asks the importer on this host.
func (o *atEdge) conflicts(ctx context.Context, q command.Query) ([]ledger.Record, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	got, err := o.client.Conflicts(ctx, q)
	return got.Conflicts, got.More, o.explain(err)
}

// foundConflicts is what an edge told.
type foundConflicts struct {
	edge    string
	records []ledger.Record
	more    bool
}

// find asks an edge for conflicts on record.
func (o *taskOptions) find(cmd *cobra.Command, s *session, q command.Query) (foundConflicts, error) {
	c := command.New(command.Conflicts)
	c.Query = &q
	if err := checked(c); err != nil {
		return foundConflicts{}, err
	}
	op, at, err := s.theEdge(cmd, o.edge)
	if err != nil {
		return foundConflicts{}, err
	}
	defer op.close()
	out := foundConflicts{edge: at.item.Name}
	if here, ok := op.(tellsConflicts); ok {
		out.records, out.more, err = here.conflicts(cmd.Context(), q)
		return out, err
	}
	t := newTeller(cmd, s, output{format: "text"}) // what is printed for programs is the answer alone
	e, err := o.ask(cmd, op, at, c, t, over)
	if err = errors.Join(err, e.err); err != nil {
		return out, err
	}
	out.records, out.more = e.task.Conflicts, e.task.More
	return out, e.failed(fault.Usage)
}

// conflictView is one conflict for programs. Text is there when the key is text.
type conflictView struct {
	Edge     string        `json:"edge"`
	Text     string        `json:"text,omitempty"`
	Conflict ledger.Record `json:"conflict"`
}

func viewConflict(edge string, r ledger.Record) conflictView {
	return conflictView{Edge: edge, Text: textOf(r.Key), Conflict: r}
}

// standing says whether somebody has to decide, or how that was done.
func standing(r ledger.Record) string {
	switch {
	case r.Open:
		return "open"
	case r.Resolved != nil:
		return "resolved: " + r.Resolved.How
	default:
		return "decided"
	}
}

// keyArgument is a key as the shell can carry it.
func keyArgument(key []byte) string {
	text := textOf(key)
	if text == "" || strings.ContainsAny(text, " \t\n\"'`$\\*?[]{}()<>|&;!#~") {
		return "KEY"
	}
	return text
}
