package importer

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
)

// reached is how far a resync in full has come: up to a key everything was
// brought over and is durable at the target. It is a note for the next start,
// which compares by digest before it, so that nothing rests on it but that what
// came is not brought over once more.
type reached struct {
	Key   []byte `json:"key,omitempty"`   // the first that was not; empty: none was
	Bytes uint64 `json:"bytes,omitempty"` // of what was, about
	Put   uint64 `json:"put,omitempty"`   // keys that were written
}

// frontier follows the ranges of a resync in full: they are written several at a
// time, and end in any order.
type frontier struct {
	mu   sync.Mutex
	at   reached
	todo []stretch // from at on, in key order
}

type stretch struct {
	change.Range
	bytes uint64
	done  bool
}

// newFrontier is that of a comparison whose differences are given.
func newFrontier(at reached, diffs []digest.Difference, o digest.Options) *frontier {
	f := &frontier{at: at}
	for _, d := range diffs {
		if o.Whole(d.Range.Hi) {
			f.todo = append(f.todo, stretch{Range: d.Range, bytes: d.Bytes})
		}
	}
	return f
}

// wrote notes that a range is durable at the target. The last one moves nothing:
// the resync ends with it.
func (f *frontier) wrote(r change.Range) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.IndexFunc(f.todo, func(s stretch) bool { return bytes.Equal(s.Lo, r.Lo) }); i >= 0 {
		f.todo[i].done = true
	}
	for len(f.todo) > 1 && f.todo[0].done {
		f.at.Key = f.todo[0].Hi
		f.at.Bytes += f.todo[0].bytes
		f.todo = f.todo[1:]
	}
}

func (f *frontier) reached() reached {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

// noteEvery bounds how often the note goes to the disk.
const noteEvery = time.Second

// remember notes how far the resync in full has come that runs, if one does. A
// note that cannot be kept costs time after a restart, no more.
func (a *applier) remember() {
	c := &a.comparison
	if c.front == nil || c.task == nil {
		return
	}
	at := c.front.reached()
	at.Put = c.task.put
	if w := a.writes; w != nil {
		w.mu.Lock()
		at.Put += w.put
		w.mu.Unlock()
	}
	if err := a.im.orders.reach(c.task.command.ID, at); err != nil {
		a.im.logger.Warn("how far a resync has come cannot be kept: after a restart it begins earlier", "cause", err.Error())
	}
}

// reach notes how far a command has come.
func (o *orders) reach(id string, at reached) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if bytes.Equal(o.reached[id].Key, at.Key) {
		return nil
	}
	o.reached[id] = at
	if time.Since(o.saved) < noteEvery {
		return nil
	}
	return o.save()
}

// resumed is how far the resync in full had come that runs, if one does.
func (a *applier) resumed() reached {
	c := &a.comparison
	if !c.full || c.task == nil {
		return reached{}
	}
	o := a.im.orders
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reached[c.task.command.ID]
}
