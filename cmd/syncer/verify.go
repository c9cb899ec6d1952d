package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

type verifyOptions struct {
	taskOptions
	prefix string
	deep   bool
}

func newVerify(s *session) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:     "verify [EDGE]",
		GroupID: groupOperate,
		Short:   "Prove whether edges hold exactly what their source selects",
		Long: `Read both sides and compare them at one revision. In the cloud without a name, all
edges that are paired are verified, a line each.

Edges verify themselves with every heartbeat; this command does it now, and with
--deep it reads the source and the target themselves, not only what the exporter
and the importer remember of them.

Keys that hold what the edge made of them because their rule says so (edge-wins,
merge, ignoreFields) are counted and not compared.

Exit code: 0 equal; 1 different; more than 1 when it cannot be told: 3 the
comparison failed or parked keys were left out, 4 no answer in time, 5
unreachable, 6 refused. Of many edges the worst counts, and not to be told is
worse than to be different.`,
		Example: `  syncer verify
  syncer verify store-1 --deep
  syncer verify store-1 -o json
  syncer verify -c edge.yaml`,
		Args: wants(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.take(args)
			return couldNotTell(o.run(cmd, s))
		},
	}
	cmd.Flags().BoolVar(&o.deep, "deep", false, "read the source and the target themselves")
	cmd.Flags().StringVar(&o.prefix, "prefix", "", "only keys at the edge with this `prefix`")
	o.addFlags(cmd)
	return cmd
}

func (o *verifyOptions) run(cmd *cobra.Command, s *session) error {
	if _, err := o.command(); err != nil {
		return err
	}
	op, err := s.openOperator(cmd, o.edge)
	if err != nil {
		return err
	}
	defer op.close()
	sights, err := op.look(cmd.Context())
	if err != nil {
		return err
	}
	errands, err := o.errands(sights)
	if err != nil {
		return err
	}
	t := newTeller(cmd, s, o.out)
	sendAll(cmd.Context(), op, errands)
	a := awaited{timeout: o.timeout, enough: over, tell: t.step}
	if err := a.await(cmd.Context(), op, errands); err != nil {
		return err
	}
	return o.judge(t, errands)
}

// command is a command of its own for each edge.
func (o *verifyOptions) command() (command.Command, error) {
	c, err := scoped(command.New(command.Verify), o.prefix)
	c.Deep = o.deep
	return c, err
}

// errands is one for each edge that was named, or that is paired.
func (o *verifyOptions) errands(sights []sight) ([]*errand, error) {
	var out []*errand
	for _, s := range sights {
		if o.edge == "" && !s.paired {
			continue
		}
		c, err := o.command()
		if err != nil {
			return nil, err
		}
		out = append(out, &errand{edge: s.item.Name, sight: s, command: c})
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Usage, "syncer pair create EDGE, then syncer join at the edge", "no edge is paired, so there is nothing to verify")
	}
	return out, nil
}

// judge prints what was found and gives the worst.
func (o *verifyOptions) judge(t *teller, errands []*errand) error {
	if len(errands) == 1 {
		e := errands[0]
		if err := t.result(viewTask(e), func(p *page) { drawCompared(p, e, status.MaxSample) }); err != nil {
			return err
		}
		return compared(e)
	}
	err := t.results(errands, func(p *page) {
		for _, e := range errands {
			drawVerified(p, e)
		}
	})
	if err != nil {
		return err
	}
	return worst(errands)
}

// drawVerified is one of many edges.
func drawVerified(p *page, e *errand) {
	if e.told() {
		drawComparison(p, e, 0)
	} else {
		p.line("%s: could not tell: %s", e.edge, compared(e))
	}
}

// worst is the error of the worst of many edges.
func worst(errands []*errand) error {
	var bad error
	differ, untold := 0, 0
	for _, e := range errands {
		err := compared(e)
		switch code := fault.ExitCode(err); {
		case code == int(fault.General):
			differ++
		case code > int(fault.General):
			untold++
		}
		if fault.ExitCode(err) > fault.ExitCode(bad) {
			bad = err
		}
	}
	if bad == nil {
		return nil
	}
	sum := fault.New(fault.Class(fault.ExitCode(bad)), fault.Try(bad), "of %d edges %d differ, and of %d it cannot be told; the worst: %w", len(errands), differ, untold, bad)
	if untold == 0 {
		return &difference{sum}
	}
	return sum
}

// couldNotTell keeps exit code 1 for differences that were found: whatever
// else would end with it becomes a failed check.
func couldNotTell(err error) error {
	var found *difference
	if err == nil || errors.As(err, &found) || fault.ExitCode(err) != int(fault.General) || errors.Is(err, errInterrupted) {
		return err
	}
	return fault.New(fault.Check, fault.Try(err), "%w", err)
}

func keysAre(n int) string { return status.Count(uint64(n), "key is", "keys are") }
