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
		v.attach(true, beat)
		v.committed(target.Cursor{Consistent: true})
		v.heard(time.Now().Add(-c.age), change.State{})
		v.verified(1, digest.Digest{})
		if got := v.status(); got.State != c.want {
			t.Errorf("%s: the edge says %s, %s", name, got.State, got.Reason)
		}
	}
}
