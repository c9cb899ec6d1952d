package main

import (
	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
)

type diffOptions struct {
	taskOptions
	prefix string
}

func newDiff(s *session) *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:     "diff [EDGE]",
		GroupID: groupOperate,
		Short:   "Name the keys in which an edge differs from its source",
		Long: `Compare an edge with its source at one revision and name keys that differ:

  missing    the source has the key, the edge has not
  extra      the edge has it, the source has not
  different  both have it, with other values

Nothing is changed. Keys are those at the edge, quoted so that every byte shows;
up to 100 are named, all are counted.

Exit code: 0 no difference, 1 differences, more than 1 when it cannot be told: 3
the comparison failed or parked keys were left out, 4 no answer in time, 5
unreachable.`,
		Example: `  syncer diff store-1
  syncer diff store-1 --prefix /flags/
  syncer diff -c edge.yaml -o json`,
		Args: wants(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.take(args)
			return couldNotTell(o.run(cmd, s))
		},
	}
	cmd.Flags().StringVar(&o.prefix, "prefix", "", "only keys at the edge with this `prefix`")
	o.addFlags(cmd)
	return cmd
}

func (o *diffOptions) run(cmd *cobra.Command, s *session) error {
	c, err := scoped(command.New(command.Diff), o.prefix)
	if err != nil {
		return err
	}
	op, sight, err := s.theEdge(cmd, o.edge)
	if err != nil {
		return err
	}
	defer op.close()
	t := newTeller(cmd, s, o.out)
	e, err := o.ask(cmd, op, sight, c, t, over)
	if err != nil {
		return err
	}
	if err := t.result(viewTask(e), func(p *page) { drawCompared(p, e, command.MaxSamples) }); err != nil {
		return err
	}
	return compared(e)
}

// told reports whether the edge has told what was asked.
func (e *errand) told() bool { return e.err == nil && e.task.State == command.Done }

// drawCompared is one edge, if it told anything: what it did not is the error.
func drawCompared(p *page, e *errand, most int) {
	if e.told() {
		drawComparison(p, e, most)
	}
}

// drawComparison is what was found, with some of the keys.
func drawComparison(p *page, e *errand, most int) {
	t := e.task
	if t.Put+t.Delete == 0 {
		p.line("%s: equal at revision %s, %s", e.edge, revision(t.Revision), keys(t.Equal))
	} else {
		p.line("%s: %s missing or different, %d extra, %d equal at revision %s", e.edge, keys(t.Put), t.Delete, t.Equal, revision(t.Revision))
		drawSamples(p, t.Samples, most, t.Put+t.Delete)
	}
	drawParkedScope(p, e)
}

// compared is the error for everything but equality.
func compared(e *errand) error {
	t := e.task
	switch {
	case e.err != nil:
		return couldNotTell(e.err)
	case t.State != command.Done:
		return couldNotTell(e.failed(fault.Check))
	case t.Put+t.Delete > 0:
		return &difference{fault.New(fault.General, "syncer resync "+e.edge+" --plan", "%s differs from its source in %s", e.edge, keys(t.Put+t.Delete))}
	case t.Parked > 0:
		return fault.New(fault.Check, "syncer parked list "+e.edge, "everything compared is equal at %s, and %s parked", e.edge, keysAre(t.Parked))
	}
	return nil
}

// difference tells a difference that was found from all else that has exit
// code 1.
type difference struct{ error }

func (d *difference) Unwrap() error { return d.error }
