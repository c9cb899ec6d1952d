package hub

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// serverLog gives the server's lines to slog. Two kinds of line are more than
// text, because the server tells it in no other way: a fatal one says that it
// cannot start, and a write error that a stream takes nothing any more.
type serverLog struct {
	log    *slog.Logger
	failed chan struct{} // holds one when a write failed; never closed

	mu  sync.Mutex
	err error
}

func newServerLog(log *slog.Logger) *serverLog {
	return &serverLog{log: log.With("part", "nats-server"), failed: make(chan struct{}, 1)}
}

// fatal gives the first fatal line as an error.
func (l *serverLog) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Noticef implements server.Logger. Notices tell of the server's own start and
// end, which the hub reports itself.
func (l *serverLog) Noticef(format string, v ...any) { l.Debugf(format, v...) }

// Debugf implements server.Logger.
func (l *serverLog) Debugf(format string, v ...any) {
	if line := fmt.Sprintf(format, v...); !isNoise(line) {
		l.log.Debug(line)
	}
}

// Tracef implements server.Logger.
func (l *serverLog) Tracef(format string, v ...any) { l.Debugf(format, v...) }

// Warnf implements server.Logger.
func (l *serverLog) Warnf(format string, v ...any) { l.log.Warn(fmt.Sprintf(format, v...)) }

// Errorf implements server.Logger.
func (l *serverLog) Errorf(format string, v ...any) {
	l.log.Error(fmt.Sprintf(format, v...))
	if !isWriteError(format) {
		return
	}
	select {
	case l.failed <- struct{}{}:
	default: // it is known already
	}
}

// isWriteError judges what the server itself says, and where it says it from: in the
// values of a line, and behind a client's address, is what anybody sent.
func isWriteError(format string) bool {
	own := func(part string) bool { return strings.HasPrefix(format, part) }
	if !own("JetStream ") && !own("Filestore [") && !own("RAFT [") {
		return false
	}
	format = strings.ToLower(format)
	return strings.Contains(format, "critical write error") || strings.Contains(format, "will be disabled")
}

// Fatalf implements server.Logger. The embedding process goes on.
func (l *serverLog) Fatalf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	l.log.Error(line)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = errors.New(line)
	}
}
