package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/syncer-io/syncer/replicator/fault"
)

// process is what the operating system gives a program.
type process struct {
	args           []string
	env            func(string) (string, bool)
	stdin          io.Reader
	stdout, stderr io.Writer
}

// execute runs one command line and gives the exit code.
func execute(ctx context.Context, p process) int {
	s := &session{env: p.env}
	root := newRoot(s)
	root.SetArgs(p.args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if interrupted(ctx, err) {
		return exitInterrupted
	}
	if !s.began {
		err = asUsage(err)
	}
	printError(p.stderr, err)
	return fault.ExitCode(err)
}

// interrupted reports whether the command failed only because it was told to
// stop.
func interrupted(ctx context.Context, err error) bool {
	return errors.Is(context.Cause(ctx), errInterrupted) &&
		(errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled))
}

// asUsage classes what cobra says about a command line that it cannot run.
func asUsage(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return fault.New(fault.Usage, "syncer help", "%w", err)
}

// printError prints an error. It may quote what an edge said.
func printError(w io.Writer, err error) {
	fmt.Fprintf(w, "Error: %s\n", printable(err.Error()))
	if try := fault.Try(err); try != "" {
		fmt.Fprintf(w, "Try: %s\n", printable(try))
	}
}
