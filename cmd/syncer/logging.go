package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// logOptions say how daemons log, to standard error.
type logOptions struct {
	format string
	level  string
}

func (o *logOptions) addFlags(flags *pflag.FlagSet) {
	o.format, o.level = "auto", "info"
	flags.Var(oneOf{&o.format, []string{"auto", "text", "json"}}, "log-format", "log lines; auto is text on a terminal and JSON elsewhere")
	flags.Var(oneOf{&o.level, []string{"debug", "info", "warn", "error"}}, "log-level", "least severe line that is logged")
	bindEnv(flags, "log-format", "SYNCER_LOG_FORMAT")
	bindEnv(flags, "log-level", "SYNCER_LOG_LEVEL")
}

// logger writes to w.
func (o logOptions) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: o.slogLevel()}
	if o.format == "text" || o.format == "auto" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func (o logOptions) slogLevel() slog.Level {
	switch o.level {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// quiet is the logger of commands that are not daemons: what matters to their
// user is in the error.
func (o logOptions) quiet(w io.Writer) *slog.Logger {
	if o.level != "debug" {
		return slog.New(slog.DiscardHandler)
	}
	return o.logger(w)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
