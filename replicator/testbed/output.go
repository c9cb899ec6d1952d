package testbed

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
)

// keptOutput is how much of a child's output is kept, in bytes.
const keptOutput = 64 << 10

var errEnded = errors.New("the process has ended")

// output collects what a child writes: the tail for reports, and lines for
// those who wait for one.
type output struct {
	log io.Writer

	mu      sync.Mutex
	kept    []byte
	ended   bool
	changed chan struct{} // closed and replaced on every write and at the end
}

func newOutput(log io.Writer) *output {
	return &output{log: log, changed: make(chan struct{})}
}

// Write never fails: a child must not die of a full log.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = append(o.kept, b...)
	if over := len(o.kept) - keptOutput; over > 0 {
		o.kept = bytes.Clone(o.kept[over:])
	}
	if o.log != nil {
		_, _ = o.log.Write(b)
	}
	o.announce()
	return len(b), nil
}

func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.announce()
}

func (o *output) announce() {
	close(o.changed)
	o.changed = make(chan struct{})
}

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.kept)
}

func (o *output) waitLine(ctx context.Context, text string) (string, error) {
	for {
		o.mu.Lock()
		line, found := lineWith(string(o.kept), text)
		ended, changed := o.ended, o.changed
		o.mu.Unlock()
		switch {
		case found:
			return line, nil
		case ended:
			return "", errEnded
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// lineWith finds the first complete line that contains text.
func lineWith(s, text string) (string, bool) {
	for line := range strings.Lines(s) {
		if strings.HasSuffix(line, "\n") && strings.Contains(line, text) {
			return strings.TrimRight(line, "\r\n"), true
		}
	}
	return "", false
}
