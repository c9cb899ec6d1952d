package hub

import (
	"errors"
	"log/slog"
	"testing"
)

// What a client sends comes into the log of the server, too, before anybody knows
// who it is.
func TestOnlyTheServersOwnWordClosesTheStore(t *testing.T) {
	for _, c := range []struct {
		format string
		values []any
		want   bool
	}{
		{"JetStream out of space, will be DISABLED", nil, true},
		{"JetStream out of %s resources, will be DISABLED", []any{"File"}, true},
		{"JetStream stream '%s > %s' critical write error: %v", []any{"$G", "S", errors.New("full")}, true},
		{"Filestore [S] Critical write error: %v", []any{errors.New("full")}, true},
		{"%s - %s", []any{"127.0.0.1:1 - cid:1", "JetStream will be disabled"}, false},
		{`127.0.0.1:1 - cid:1 - "JetStream will be disabled" - %s`, []any{"critical write error"}, false},
		{"JetStream stream '%s' is not there", []any{"will be disabled"}, false},
	} {
		l := newServerLog(slog.New(slog.DiscardHandler))
		l.Errorf(c.format, c.values...)
		if got := len(l.failed) > 0; got != c.want {
			t.Errorf("%q of %v closes the store: %v", c.format, c.values, got)
		}
	}
}
