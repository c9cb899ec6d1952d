package source

import (
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/syncer-io/syncer/replicator/change"
)

// eventBytes is what an event costs in memory besides its key and value.
const eventBytes = 128

// assembler puts the events of a stream together to revisions and hands the
// selected ones to the queue. The server never divides a revision between two
// responses, but a response may come in fragments: a revision is complete when
// an event of a later one follows, or when the last fragment ends.
type assembler struct {
	sel   selection
	queue *queue

	resolved int64 // everything up to here was handed over
	open     Revision
	size     int
}

// add takes one message of the stream. It returns errFull when the queue has
// no room for what the message brought; the stream must then end, and the
// revision in progress is dropped because it will come again.
func (a *assembler) add(resp *pb.WatchResponse) error {
	for _, ev := range resp.Events {
		if err := a.event(ev); err != nil {
			return err
		}
	}
	switch {
	case resp.Fragment:
	case len(resp.Events) > 0:
		a.finish()
	case a.open.Revision == 0:
		a.progress(resp.Header.GetRevision())
	}
	return nil
}

func (a *assembler) event(ev *mvccpb.Event) error {
	rev := ev.Kv.ModRevision
	if rev <= a.resolved || rev < a.open.Revision {
		return &WentBack{Revision: rev, Was: max(a.resolved, a.open.Revision), Why: fmt.Sprintf(
			"it sent an event of key %q at a revision that it had already finished", ev.Kv.Key)}
	}
	if rev != a.open.Revision {
		a.finish()
		a.open.Revision = rev
	}
	if !a.sel.contains(ev.Kv.Key) {
		return nil
	}
	e := eventOf(ev)
	a.open.Events = append(a.open.Events, e)
	a.size += len(e.Key) + len(e.Value) + eventBytes
	if a.queue.full(a.size) {
		return errFull
	}
	return nil
}

// finish hands over the open revision, or only the progress it means when none
// of its events are selected.
func (a *assembler) finish() {
	switch {
	case a.open.Revision == 0:
		return
	case len(a.open.Events) > 0:
		a.queue.put(a.open, a.size)
	default:
		a.queue.resolve(a.open.Revision)
	}
	a.resolved, a.open, a.size = a.open.Revision, Revision{}, 0
}

func (a *assembler) progress(revision int64) {
	if revision > a.resolved {
		a.resolved = revision
		a.queue.resolve(revision)
	}
}

func eventOf(ev *mvccpb.Event) Event {
	e := Event{Op: change.Put, Key: ev.Kv.Key, Value: ev.Kv.Value, ModRevision: ev.Kv.ModRevision}
	if ev.Type == mvccpb.Event_DELETE {
		e.Op, e.Value = change.Delete, nil
	}
	return e
}
