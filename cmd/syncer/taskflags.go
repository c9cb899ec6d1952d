package main

import (
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
)

// taskOptions are what all commands to edges have in common.
type taskOptions struct {
	edge    string // "" when it was not given
	out     output
	timeout time.Duration
}

func (o *taskOptions) addFlags(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&o.timeout, "timeout", time.Minute, "how long to wait for the edge")
	o.out.addFlags(cmd)
}

// take reads the arguments.
func (o *taskOptions) take(args []string) {
	if len(args) > 0 {
		o.edge = args[0]
	}
}

// ask gives one edge a command and waits for what enough wants. The errand
// that it returns has ended; its err says why it could not be seen through.
func (o *taskOptions) ask(cmd *cobra.Command, op operator, s sight, c command.Command, t *teller, enough func(*errand) bool) (*errand, error) {
	e := &errand{edge: s.item.Name, sight: s, command: c}
	sendAll(cmd.Context(), op, []*errand{e})
	a := awaited{timeout: o.timeout, enough: enough, tell: t.step}
	err := a.await(cmd.Context(), op, []*errand{e})
	t.progress.clear()
	return e, err
}

// scoped puts the scope of a comparison into a command.
func scoped(c command.Command, prefix string) (command.Command, error) {
	c.Prefix = prefix
	if !utf8.ValidString(prefix) {
		return c, fault.New(fault.Usage, "give a shorter prefix that ends before the first such byte", "the prefix %q is not valid UTF-8", prefix)
	}
	return c, checked(c)
}

// checked finds what the edge would refuse in a command.
func checked(c command.Command) error {
	if err := c.Check(); err != nil {
		return fault.New(fault.Usage, "syncer help", "%w", err)
	}
	return nil
}
