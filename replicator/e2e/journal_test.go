package e2e

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
)

// journal is what the daemons of a site log.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// keepJournal has the daemons that start from now on log into a journal too.
func (s *site) keepJournal() *journal {
	j := &journal{}
	s.logger = slog.New(slog.NewTextHandler(io.MultiWriter(s.t.Output(), j), &slog.HandlerOptions{Level: slog.LevelInfo}))
	return j
}

// Write implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
