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
	line := fmt.Sprintf(format, v...)
	l.log.Error(line)
	if !isWriteError(line) {
		return
	}
	select {
	case l.failed <- struct{}{}:
	default: // it is known already
	}
}

func isWriteError(line string) bool {
	line = strings.ToLower(line)
	return strings.Contains(line, "critical write error") || strings.Contains(line, "will be disabled")
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
