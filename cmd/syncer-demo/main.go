// Command syncer-demo shows the main job with no infrastructure: two embedded
// etcds, an embedded hub and a link that is cut, in one process.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/syncer-io/syncer/replicator/fault"
)

func main() {
	var o options
	flag.BoolVar(&o.check, "check", false, "run quietly and quickly; the exit code says whether both sides are equal")
	flag.IntVar(&o.keys, "keys", 1000, "keys at the source before the edge joins")
	flag.DurationVar(&o.outage, "outage", 6*time.Second, "how long the link is cut")
	flag.BoolVar(&o.verbose, "v", false, "show the daemons' logs")
	flag.Parse()
	if o.check {
		o.outage = min(o.outage, 2*time.Second)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "syncer-demo:", fault.Describe(err))
		os.Exit(fault.ExitCode(err))
	}
}

type options struct {
	check   bool
	keys    int
	outage  time.Duration
	verbose bool
}

func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "syncer-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left is in the temporary directory
	v := newView(out, o)
	s, err := startStage(ctx, dir, o)
	if err != nil {
		return err
	}
	err = play(ctx, s, v, o)
	if stopped := s.stop(); err == nil {
		err = stopped
	}
	return err
}

// terminal reports whether out is a terminal, where lines can be redrawn.
func terminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}
