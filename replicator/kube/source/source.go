package source

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/kube/client"
)

// Tier is what this source can give, for reports.
const Tier = "kubernetes"

// Options bound what a Source holds and how long it waits. The zero value of a
// field means its default.
type Options struct {
	// Only are the resources that may be read, by word. None: all.
	Only []string
	// Progress is how often an idle watch finds out how far the cluster has
	// come. Default 5s.
	Progress time.Duration
	// MaxBytes bounds the events that wait for other resources or for the sink,
	// those that the sink works on included. One event of each resource may
	// exceed it. Default 16 MiB.
	MaxBytes int
	// Patience is how long a request is tried again while the server is not
	// reachable or busy. Default 10s.
	Patience time.Duration
}

func (o Options) withDefaults() Options {
	if o.Progress <= 0 {
		o.Progress = 5 * time.Second
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 16 << 20
	}
	if o.Patience <= 0 {
		o.Patience = 10 * time.Second
	}
	return o
}

// Source reads one selection of a cluster. Its reads may run at once and besides
// one Watch; a second Watch needs a second Source.
type Source struct {
	cli       *client.Client
	root      string // what all keys start with
	resources []*resource
	wrong     error // why the ranges cannot be read; every method fails with it
	opts      Options
	log       *slog.Logger
	nudge     chan struct{} // Nudge sends, the asker of the watch receives; never closed

	told   atomic.Int64 // what the running watch has told its sink; 0 without one
	breaks atomic.Int64
	warmed atomic.Int64 // the number of breaks when the server was last warmed, plus 1
	uid    string       // of the cluster; only Watch uses it
}

// New makes a Source of disjoint ranges of keys below the prefix of the API
// server's etcd. Each range must lie within one resource; otherwise every method
// fails.
func New(cli *client.Client, etcdPrefix string, ranges []change.Range, opts Options, log *slog.Logger) *Source {
	s := &Source{cli: cli, opts: opts.withDefaults(), log: log, nudge: make(chan struct{}, 1)}
	s.root, s.resources, s.wrong = divide(etcdPrefix, ranges, s.opts.Only)
	return s
}

// Breaks is how often a watch broke and was made again. What is delivered after
// a break may come from a cluster that was restored meanwhile: only its content
// shows that.
func (s *Source) Breaks() int64 { return s.breaks.Load() }

// Nudge makes a running Watch find out at once how far the cluster has come. It
// never blocks; calls that come before that begins count as one.
func (s *Source) Nudge() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}
