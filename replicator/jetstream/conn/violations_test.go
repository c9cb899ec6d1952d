package conn

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/replicator/fault"
)

func TestRefusalIsReadFromTheServersWords(t *testing.T) {
	for text, want := range map[string]Refusal{
		`Permissions Violation for Publish to "a.b"`:                          {"a.b", "publish", "me"},
		`Permissions Violation for Subscription to "a.>"`:                     {"a.>", "subscribe", "me"},
		`Permissions Violation for Subscription to "a" using queue "q"`:       {"a", "subscribe", "me"},
		`Permissions Violation for Publish with Reply of "$JS.ACK.a.b.c.d.e"`: {"$JS.ACK.a.b.c.d.e", "publish", "me"},
	} {
		got, ok := refusalOf("me", fmt.Errorf("%w: %s", nats.ErrPermissionViolation, text))
		if !ok || *got != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
	if _, ok := refusalOf("me", nats.ErrTimeout); ok {
		t.Error("a timeout is a refusal")
	}
}

func TestWatchEndsOnlyForItsSubjects(t *testing.T) {
	var v Violations
	mine, stopMine := v.Watch(t.Context(), "a.*")
	other, stopOther := v.Watch(t.Context(), "b")
	defer stopMine()
	defer stopOther()
	v.report(&Refusal{Subject: "a.x", Action: "publish", User: "me"})
	if err := Explain(mine, context.DeadlineExceeded); fault.ExitCode(err) != int(fault.Refused) || err.Error() != "hub refused a.x (publish) for user me" {
		t.Errorf("got %v", err)
	}
	if other.Err() != nil {
		t.Error("another request ended too")
	}
	if err := Explain(other, nats.ErrTimeout); !errors.Is(err, nats.ErrTimeout) {
		t.Errorf("got %v", err)
	}
	if err := Explain(mine, nil); err != nil {
		t.Errorf("a request that succeeded failed: %v", err)
	}
	stopMine()
	v.report(&Refusal{Subject: "a.y"}) // nobody waits
}

func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		pattern, subject string
		want             bool
	}{
		{"a.b", "a.b", true}, {"a.*", "a.b", true}, {"a.>", "a.b.c", true}, {">", "a", true},
		{"a.>", "a", false}, {"a.*", "a.b.c", false}, {"a.b.c", "a.b", false}, {"*", "a.b", false},
	} {
		if got := covers(tt.pattern, tt.subject); got != tt.want {
			t.Errorf("%s covers %s: %v", tt.pattern, tt.subject, got)
		}
	}
}
