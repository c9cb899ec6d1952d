package conn

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/replicator/fault"
)

// Refusal is the hub's no to one subject. NATS says it beside the request,
// never as its answer; the request itself only times out.
type Refusal struct {
	Subject string
	Action  string // "publish" or "subscribe"
	User    string // who was refused
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("hub refused %s (%s) for user %s", r.Subject, r.Action, r.User)
}

// Violations ties what the hub refuses to the requests that wait for it. Give
// one to Options; the zero value is ready. Methods may run at once.
type Violations struct {
	mu      sync.Mutex
	waiting map[*waiter]struct{}
}

type waiter struct {
	subjects []string
	cancel   context.CancelCauseFunc
}

// Watch gives a context that ends when the hub refuses one of the subjects,
// which may end in wildcards; its cause is then a fault.Error of class Refused
// that wraps a *Refusal. Call stop when the request is over.
func (v *Violations) Watch(ctx context.Context, subjects ...string) (watched context.Context, stop func()) {
	watched, cancel := context.WithCancelCause(ctx)
	w := &waiter{subjects: subjects, cancel: cancel}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.waiting == nil {
		v.waiting = map[*waiter]struct{}{}
	}
	v.waiting[w] = struct{}{}
	return watched, func() {
		v.mu.Lock()
		delete(v.waiting, w)
		v.mu.Unlock()
		cancel(nil)
	}
}

// Explain gives the refusal that ended a watched context in place of the error
// that the request returned; otherwise that error.
func Explain(watched context.Context, err error) error {
	var refusal *Refusal
	if cause := context.Cause(watched); err != nil && errors.As(cause, &refusal) {
		return cause
	}
	return err
}

// Request is nc.RequestWithContext that returns the hub's refusal at once.
func (v *Violations) Request(ctx context.Context, nc *nats.Conn, subject string, data []byte) (*nats.Msg, error) {
	watched, stop := v.Watch(ctx, subject, nc.Opts.InboxPrefix+".>")
	defer stop()
	m, err := nc.RequestWithContext(watched, subject, data)
	return m, Explain(watched, err)
}

// report ends every request that waits for the refused subject.
func (v *Violations) report(r *Refusal) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for w := range v.waiting {
		for _, pattern := range w.subjects {
			if covers(pattern, r.Subject) {
				w.cancel(refused(r))
			}
		}
	}
}

func refused(r *Refusal) error {
	return fault.New(fault.Refused,
		"see that these are this edge's own credentials and that it was not joined to another hub; its rights are those of: syncer pair show",
		"%w", r)
}

var violationPattern = regexp.MustCompile(`(?i)permissions violation for (publish|subscription)[^"]*"([^"]+)"`)

// refusalOf reads the asynchronous error of nats.go.
func refusalOf(user string, err error) (*Refusal, bool) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return nil, false
	}
	m := violationPattern.FindStringSubmatch(err.Error())
	if m == nil {
		return nil, false
	}
	r := &Refusal{Subject: m[2], Action: "publish", User: user}
	if strings.EqualFold(m[1], "subscription") {
		r.Action = "subscribe"
	}
	return r, true
}

// covers reports whether a subject pattern matches a subject.
func covers(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, token := range p {
		if token == ">" {
			return len(s) > i
		}
		if i >= len(s) || token != "*" && token != s[i] {
			return false
		}
	}
	return len(p) == len(s)
}
