package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/syncer-io/syncer/replicator/testbed"
)

func main() {
	testbed.Main()
	os.Exit(start())
}

func start() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := run
	if daemon, ok := os.LookupEnv(profiledDaemon); ok {
		run = func(ctx context.Context, args []string, _, _ io.Writer) error { return runProfiled(ctx, daemon, args) }
	}
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// options say what is measured, and how long.
type options struct {
	out     string
	only    *regexp.Regexp
	tools   *regexp.Regexp
	quick   bool
	keys    []int
	rounds  int // 0: each measurement's own number
	dir     string
	syncer  string // a binary that is built already
	profile string // a directory for profiles of syncer's daemons

	copyRounds, flatRounds, lagRounds, farRounds, backRounds int

	missed    outageSize
	differing outageDiffering

	writing   time.Duration // how long the writers of flat-out and lag write
	revisions int           // of the measurement over distance
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("run", "", "measure only what matches this `regexp`: copy, flat-out, lag, distance, outage")
	tools := flags.String("tool", "", "measure only the tools that match this `regexp`: make-mirror, syncer")
	keys := flags.String("keys", "", "comma-separated `counts` of keys of the first copies (20000,100000; quick: 20000)")
	flags.StringVar(&o.out, "out", "", "write the page to this `file`; standard output otherwise")
	flags.BoolVar(&o.quick, "quick", false, "one short round of everything: at most four minutes")
	flags.IntVar(&o.rounds, "rounds", 0, "rounds of each measurement and tool; 0 is two or three, and one where make-mirror takes minutes")
	flags.StringVar(&o.dir, "dir", os.TempDir(), "`directory` for all data, on the disk to measure")
	flags.StringVar(&o.syncer, "syncer", "", "measure this built `binary` instead of ./cmd/syncer")
	flags.StringVar(&o.profile, "profile", "", "write profiles and logs of syncer's daemons to this `directory`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() != 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	o.tune()
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-run: %w", err)
	}
	if o.tools, err = regexp.Compile(*tools); err != nil {
		return o, fmt.Errorf("-tool: %w", err)
	}
	if *keys != "" {
		o.keys = nil
		for word := range strings.SplitSeq(*keys, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(word))
			if err != nil || n < 1 {
				return o, fmt.Errorf("-keys: %q is not a number of keys", word)
			}
			o.keys = append(o.keys, n)
		}
	}
	return o, nil
}

// tune sets how much is measured.
func (o *options) tune() {
	o.keys = []int{20_000, 100_000}
	o.copyRounds, o.flatRounds, o.lagRounds, o.farRounds = 3, 2, 2, 3
	o.backRounds = 3
	o.writing, o.revisions = 8*time.Second, 1000
	o.missed = outageSize{keys: 20_000, revisions: 100_000, changed: 5_000, deletes: 500}
	o.differing = outageDiffering{keys: 100_000, counts: []int{1, 100, 10_000}}
	if o.quick {
		o.keys = []int{20_000}
		o.copyRounds, o.flatRounds, o.lagRounds, o.farRounds = 1, 1, 1, 1
		o.backRounds = 1
		o.writing, o.revisions = 4*time.Second, 200
		o.missed = outageSize{keys: 5_000, revisions: 10_000, changed: 1_250, deletes: 125}
		o.differing = outageDiffering{keys: 20_000, counts: []int{1, 100, 2_000}}
	}
	if o.rounds > 0 {
		o.copyRounds, o.flatRounds, o.lagRounds, o.farRounds, o.backRounds = o.rounds, o.rounds, o.rounds, o.rounds, o.rounds
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	l, err := openLab(ctx, o, stderr)
	if err != nil {
		return err
	}
	page, err := l.measure(ctx)
	if closing := l.close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	if o.out == "" {
		_, err = stdout.Write(page)
		return err
	}
	return os.WriteFile(o.out, page, 0o644)
}
