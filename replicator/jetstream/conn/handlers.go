package conn

import (
	"context"
	"errors"
	"sync"

	"github.com/nats-io/nats.go"
)

// handlers turn what nats.go reports beside the calls into log lines and
// refusals.
func (o Options) handlers() []nats.Option {
	log := o.Logger.With("hub", o.place())
	failures := &repeated{}
	return []nats.Option{
		nats.ConnectHandler(func(*nats.Conn) {
			failures.reset()
			log.Debug("connected to the hub")
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("hub connection lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			failures.reset()
			log.Info("hub connection is back")
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			if failures.isNew(err) {
				log.Warn("hub cannot be reached, trying on", "error", o.classify(err))
			}
		}),
		nats.ErrorHandler(func(nc *nats.Conn, sub *nats.Subscription, err error) {
			if r, ok := refusalOf(o.user(), err); ok {
				log.Warn("hub refused a subject", "subject", r.Subject, "action", r.Action, "user", r.User)
				o.Violations.report(r)
				return
			}
			if isAuth(err) {
				if failures.isNew(err) {
					log.Warn("hub refuses the credentials, trying on", "error", o.classify(err))
				}
				return
			}
			log.Warn("hub connection error", "error", err)
		}),
	}
}

func (o Options) user() string {
	if o.Name != "" {
		return o.Name
	}
	return "(unnamed)"
}

// repeated tells a new failure from the same one again: a link that is down
// for a week is one line, not a million.
type repeated struct {
	mu   sync.Mutex
	last string
}

func (r *repeated) isNew(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, nats.ErrNoServers) {
		return false // the last says nothing; the error that explains it follows
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == err.Error() {
		return false
	}
	r.last = err.Error()
	return true
}

func (r *repeated) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = ""
}
