// Command syncer brings chosen keys of a cloud's etcd to the etcds of edges,
// exactly, over links that drop. `syncer help` lists its verbs.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	return execute(ctx, process{
		args:   os.Args[1:],
		env:    os.LookupEnv,
		stdin:  os.Stdin,
		stdout: os.Stdout,
		stderr: os.Stderr,
	})
}

// errInterrupted is why a context ends at the first signal.
var errInterrupted = errors.New("interrupted")

const exitInterrupted = 130

// untilSignal gives a context that ends at the first SIGINT or SIGTERM, so
// that a daemon can finish what it does. The second signal ends the program.
func untilSignal(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		select {
		case <-signals:
			cancel(errInterrupted)
		case <-done:
			return
		}
		select {
		case <-signals:
			os.Exit(exitInterrupted)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		<-finished
		cancel(nil)
	}
}
