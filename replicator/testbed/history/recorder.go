package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// everything is the first key: with WithFromKey it selects all keys.
const everything = "\x00"

// errClosed is what waiting ends with after Close.
var errClosed = errors.New("the recorder is closed")

// Recorder follows all keys of an etcd. Its methods may be called from several
// goroutines. One recorder covers one unbroken history: close it before the
// etcd is wiped or set back, and record again after.
type Recorder struct {
	client *clientv3.Client
	stop   context.CancelFunc
	done   chan struct{} // closed by follow

	mu      sync.Mutex
	history History
	err     error
	changed chan struct{} // closed and replaced when history or err changes
}

// Record reads the content and follows every change from there. The watch
// rides over restarts of the server; a compaction of what it has not seen ends
// it. The client must outlive the recorder, and the caller closes the recorder.
// The context bounds the first read only.
func Record(ctx context.Context, client *clientv3.Client) (*Recorder, error) {
	first, err := client.Get(ctx, everything, clientv3.WithFromKey())
	if err != nil {
		return nil, fmt.Errorf("record history: read the content: %w", err)
	}
	base := History{Base: first.Header.Revision, Content: make(map[string]string, len(first.Kvs))}
	for _, kv := range first.Kvs {
		base.Content[string(kv.Key)] = string(kv.Value)
	}
	watching, stop := context.WithCancel(context.Background())
	r := &Recorder{
		client: client, stop: stop, done: make(chan struct{}),
		history: base, changed: make(chan struct{}),
	}
	go r.follow(watching)
	return r, nil
}

func (r *Recorder) follow(ctx context.Context) {
	defer close(r.done)
	events := r.client.Watch(ctx, everything, clientv3.WithFromKey(), clientv3.WithFragment(),
		clientv3.WithRev(r.history.Base+1))
	for response := range events {
		if err := response.Err(); err != nil {
			r.fail(fmt.Errorf("record history after revision %d: %w", r.Last(), err))
			return
		}
		r.append(response.Events)
	}
	r.fail(errClosed)
}

func (r *Recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	r.announce()
}

// append adds events, which come in the order of their revisions and never end
// in the middle of one.
func (r *Recorder) append(events []*clientv3.Event) {
	if len(events) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		h := &r.history
		if e.Kv.ModRevision != h.Last() || len(h.Revs) == 0 {
			h.Revs = append(h.Revs, Rev{Revision: e.Kv.ModRevision})
		}
		last := &h.Revs[len(h.Revs)-1]
		last.Events = append(last.Events, Event{
			Key: string(e.Kv.Key), Value: string(e.Kv.Value), Delete: e.Type == clientv3.EventTypeDelete,
		})
	}
	r.announce()
}

func (r *Recorder) announce() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// Last is the last revision recorded so far.
func (r *Recorder) Last() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.history.Last()
}

// History is what was recorded so far. It does not change any more.
func (r *Recorder) History() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.history
	h.Revs = slices.Clip(h.Revs)
	return h
}

// Wait waits until the revision is recorded.
func (r *Recorder) Wait(ctx context.Context, revision int64) error {
	return r.WaitFor(ctx, func(h History) bool { return h.Last() >= revision })
}

// WaitFor waits until the history satisfies a condition, which is evaluated
// after every recorded response and must not keep the history.
func (r *Recorder) WaitFor(ctx context.Context, condition func(History) bool) error {
	for {
		r.mu.Lock()
		met, last, err, changed := condition(r.history), r.history.Last(), r.err, r.changed
		r.mu.Unlock()
		switch {
		case met:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for history: it stands at revision %d: %w", last, context.Cause(ctx))
		}
	}
}

// CatchUp waits until everything is recorded that the etcd had when it was
// called, and returns that revision.
func (r *Recorder) CatchUp(ctx context.Context) (int64, error) {
	now, err := r.client.Get(ctx, everything) // linearizable, for its header
	if err != nil {
		return 0, fmt.Errorf("catch up with history: %w", err)
	}
	return now.Header.Revision, r.Wait(ctx, now.Header.Revision)
}

// Close ends the watch and waits for it. It returns what ended the recording
// before, or what is wrong with the record.
func (r *Recorder) Close() error {
	r.stop()
	<-r.done
	if r.err != nil && !errors.Is(r.err, errClosed) && !errors.Is(r.err, context.Canceled) {
		return r.err
	}
	return r.history.Check()
}
