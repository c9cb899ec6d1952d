package importer

import (
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/status"
)

// backlog is an inbox in which so many records wait.
type backlog uint64

func (b backlog) Next() uint64 { return uint64(b) }
func (backlog) Bytes() int64   { return 1 }

// A heartbeat that lay in the inbox while the edge was paused or away proves that
// the edge held what the source had then.
func TestOldProofIsNotTakenForTheNewest(t *testing.T) {
	const beat = time.Second
	for name, c := range map[string]struct {
		waiting backlog
		age     time.Duration
		want    status.State
	}{
		"nothing waits":           {0, time.Hour, status.InSync},
		"the newest waits":        {5, 0, status.InSync},
		"what is an hour younger": {5, time.Hour, status.CatchingUp},
	} {
		v := newView(Config{})
		v.open(c.waiting)
		v.attach(time.Now().Add(-2*time.Hour), beat)
		v.committed(target.Cursor{Consistent: true})
		v.heard(time.Now().Add(-c.age), change.State{})
		v.verified(1, digest.Digest{})
		if got := v.status(); got.State != c.want {
			t.Errorf("%s: the edge says %s, %s", name, got.State, got.Reason)
		}
	}
}

// The clocks of the edge and the exporter need not agree, so the age of a proof
// that the edge reads first is told by the exporter's alone.
func TestProofFromBeforeTheAttachIsNotTaken(t *testing.T) {
	const beat = time.Second
	at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // the exporter's clock is wrong
	v := newView(Config{})
	v.committed(target.Cursor{Consistent: true})
	v.attach(at, beat)
	for _, c := range []struct {
		sent time.Duration
		want status.State
	}{{-time.Hour, status.CatchingUp}, {-2 * beat, status.CatchingUp}, {-time.Millisecond, status.InSync}, {beat, status.InSync}} {
		v.heard(at.Add(c.sent), change.State{})
		v.verified(1, digest.Digest{})
		if got := v.status(); got.State != c.want {
			t.Errorf("a proof of %v: the edge says %s, %s", c.sent, got.State, got.Reason)
		}
	}
	v.detach()
	v.attach(at.Add(time.Hour), beat)
	v.verified(1, digest.Digest{})
	if got := v.status(); got.State != status.CatchingUp {
		t.Errorf("attached again, the edge says %s", got.State)
	}
}
