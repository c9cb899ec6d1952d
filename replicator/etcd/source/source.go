package source

import (
	"log/slog"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
)

// Tier is what this source can give, for reports: a revision is told as a whole.
const Tier = "etcd"

// Event is one put or delete of one source key. Value is nil for a delete.
type Event struct {
	Op          change.Op
	Key, Value  []byte
	ModRevision int64
}

// Revision is every selected event of one source revision, in the order in
// which the transaction made them.
type Revision struct {
	Revision int64
	Events   []Event
}

// Batch is what a sink gets. Revisions are strictly increasing, within a batch
// and from batch to batch. Resolved is at least the last revision in the batch
// and never decreases: no event at or below it will still come. A batch
// without revisions carries progress only.
type Batch struct {
	Revisions []Revision
	Resolved  int64
}

// Item is one key of the source. Value is nil where only keys are read.
type Item struct {
	Key, Value  []byte
	ModRevision int64
}

// Options bound what a Source holds and how long it waits. The zero value of
// a field means its default.
type Options struct {
	// Progress is how often the watch asks how far the source has come.
	// Default 1s.
	Progress time.Duration
	// MaxBytes bounds the revisions that wait for the sink, those the sink is
	// working on included, and the message that is being read. Only a single
	// revision that is larger by itself exceeds it. gRPC buffers up to 16 MiB
	// more. Default 16 MiB.
	MaxBytes int
	// MaxBacklog is the largest number of revisions that Watch replays; it
	// ends with [Behind] above. Default 20,000.
	MaxBacklog int64
	// Silence is how long a watch may tell nothing new before Watch looks whether
	// the source has moved on: once in that time while nothing is written, and a
	// member that tells where it stands still is silent. One that reads a long
	// history for the watch is silent too, so streams in a row that end this
	// way get twice the time each. Default 5s, at least five times Progress.
	Silence time.Duration
	// Patience is how long a read is tried again while the source is
	// unreachable or without a leader. Default 10s.
	Patience time.Duration
	// Plain has Watch and Head use no transactions, for servers that know none
	// but writes. Those name no cluster either.
	Plain bool
}

func (o Options) withDefaults() Options {
	if o.Progress <= 0 {
		o.Progress = time.Second
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 16 << 20
	}
	if o.MaxBacklog <= 0 {
		o.MaxBacklog = 20_000
	}
	if o.Silence <= 0 {
		o.Silence = max(5*time.Second, 5*o.Progress)
	}
	if o.Patience <= 0 {
		o.Patience = 10 * time.Second
	}
	return o
}

// Source reads one selection of an etcd. Its reads may run at once and
// besides one Watch; a second Watch needs a second Source.
type Source struct {
	cli   *clientv3.Client
	sel   selection
	opts  Options
	log   *slog.Logger
	nudge chan struct{} // Nudge sends, the asker of the watch receives; never closed

	breaks atomic.Int64
}

// New makes a Source of the disjoint ranges. It does not take over cli: the
// caller closes it after the last call has returned.
func New(cli *clientv3.Client, ranges []change.Range, opts Options, log *slog.Logger) *Source {
	return &Source{
		cli:   cli,
		sel:   newSelection(ranges),
		opts:  opts.withDefaults(),
		log:   log,
		nudge: make(chan struct{}, 1),
	}
}

// Breaks is how often the connection of a Watch broke and was made again. What
// is delivered after a break may come from a source that was restored in the
// meantime and has passed the revision at which it was left: only its content
// shows that.
func (s *Source) Breaks() int64 { return s.breaks.Load() }

// Nudge makes a running Watch ask at once how far the source has come, and
// again soon while the answer is missing. It never blocks; calls that come
// before the question is asked count as one.
func (s *Source) Nudge() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}
