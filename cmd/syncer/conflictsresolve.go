package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

type resolveOptions struct {
	taskOptions
	which string
}

func newConflictsResolve(s *session) *cobra.Command {
	var o resolveOptions
	cmd := &cobra.Command{
		Use:   "resolve KEY... --take source|edge|file=PATH|restore=ID",
		Short: "Say what keys that are in conflict shall hold",
		Long: `Say what keys at an edge shall hold, whether they wait for that or were decided
otherwise by their rule:

  source      what the source has
  edge        what stands at the edge
  file=PATH   the bytes of a file, of one key; - is standard input
  restore=ID  what the edge had in the record ID, of one key

source and edge are for keys that hold what the edge made of them, file and
restore for all that are on record. Keys that changed together are resolved
together: name them all.

Exit code: 0 resolved, 1 the edge could not, 4 no answer in time, 5 unreachable.`,
		Example: `  syncer conflicts resolve /flags/dark-mode --take source --edge store-1
  syncer conflicts resolve /flags/dark-mode --take file=dark-mode.json -c edge.yaml
  syncer conflicts resolve /flags/dark-mode --take restore=17 -c edge.yaml`,
		Args: anyNumber,
		RunE: func(cmd *cobra.Command, args []string) error { return o.resolve(cmd, s, args) },
	}
	cmd.Flags().StringVar(&o.which, "take", "", "`what` the keys shall hold: source, edge, file=PATH or restore=ID")
	conflictEdgeFlag(cmd, &o.edge)
	o.addFlags(cmd)
	return cmd
}

func (o *resolveOptions) resolve(cmd *cobra.Command, s *session, keys []string) error {
	if len(keys) == 0 {
		return fault.New(fault.Usage, "syncer conflicts list --open", "%s needs keys", cmd.CommandPath())
	}
	c := command.New(command.Resolve)
	for _, key := range keys {
		c.Keys = append(c.Keys, []byte(key))
	}
	if err := o.choose(cmd, &c); err != nil {
		return err
	}
	if err := errors.Join(checked(c), o.namedInCloud(cmd, s)); err != nil {
		return err
	}
	op, at, err := s.theEdge(cmd, o.edge)
	if err != nil {
		return err
	}
	defer op.close()
	t := newTeller(cmd, s, o.out)
	e, err := o.ask(cmd, op, at, c, t, over)
	if err != nil {
		return err
	}
	err = t.result(viewTask(e), func(p *page) {
		if e.told() {
			p.line("%s: %s resolved: %s", e.edge, status.Count(uint64(len(keys)), "key is", "keys are"), o.inWords())
		}
	})
	if err != nil {
		return err
	}
	if e.err != nil {
		return e.err
	}
	return e.failed(fault.General)
}

const howToTake = "--take source|edge|file=PATH|restore=ID"

// choose reads --take.
func (o *resolveOptions) choose(cmd *cobra.Command, c *command.Command) (err error) {
	word, rest, has := strings.Cut(o.which, "=")
	switch {
	case o.which == "":
		return fault.New(fault.Usage, howToTake, "%s needs to know what the keys shall hold", cmd.CommandPath())
	case !has && (word == "source" || word == "edge"):
		c.Take = command.Take(word)
	case word == "file" && rest != "":
		c.Take = command.TakeValue
		c.Value, err = readValue(cmd, rest)
	case word == "restore" && rest != "":
		c.Take = command.TakeRecord
		if c.Record, err = strconv.ParseUint(rest, 10, 64); err != nil || c.Record == 0 {
			err = fault.New(fault.Usage, "syncer conflicts list", "%q is not the ID of a conflict", rest)
		}
	default:
		try := howToTake
		if near := nearest(word, []string{"source", "edge", "file", "restore"}); near != "" && near != word {
			try = "did you mean " + near + "? " + howToTake
		}
		err = fault.New(fault.Usage, try, "nobody can take %q", o.which)
	}
	return err
}

// readValue reads a value as it is, and no more than a command can carry.
func readValue(cmd *cobra.Command, path string) ([]byte, error) {
	in := cmd.InOrStdin()
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fault.New(fault.Usage, "check the path and its permissions", "reading the value: %w", err)
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	value, err := io.ReadAll(io.LimitReader(in, command.MaxValue+1))
	switch {
	case err != nil:
		return nil, fault.New(fault.Usage, "check the path and its permissions", "reading the value: %w", err)
	case len(value) > command.MaxValue:
		return nil, fault.New(fault.Usage, "write it at the edge, and then: --take edge", "the value of %s has more than %s", path, size(command.MaxValue))
	}
	return value, nil
}

func (o *resolveOptions) inWords() string {
	word, rest, _ := strings.Cut(o.which, "=")
	switch word {
	case "source":
		return "the source's value is taken"
	case "edge":
		return "the edge's value stays"
	case "file":
		return fmt.Sprintf("the value of %s is taken", rest)
	default:
		return fmt.Sprintf("what the edge had in conflict %s is taken", rest)
	}
}
