package main

import (
	"io"

	"github.com/syncer-io/syncer/replicator/status"
)

// wantsColour reports whether w is a terminal whose user did not say no.
func wantsColour(w io.Writer, env func(string) (string, bool)) bool {
	if no, _ := env("NO_COLOR"); no != "" {
		return false
	}
	if kind, _ := env("TERM"); kind == "dumb" {
		return false
	}
	return isTerminal(w)
}

const (
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	red    = "\x1b[31m"
)

// colours underline what the word says already.
func colours(s status.State) string {
	switch s {
	case status.InSync:
		return green
	case status.CatchingUp, status.Bootstrapping, status.Degraded, status.Paused:
		return yellow
	default:
		return red
	}
}
