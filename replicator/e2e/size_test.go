package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/control"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

func TestLargestValue(t *testing.T) {
	t.Parallel()
	s, tr, _ := runningSite(t)
	value := strings.Repeat("0123456789abcdef", 1400<<10/16)
	s.under(gentle(), func() {
		for i := range 4 {
			s.put(fmt.Sprintf("/flags/large%d", i%2), fmt.Sprint(i, value))
		}
	})
	s.settle()
	s.check(tr)
}

// The largest value that a source takes does not fit into a target of the same
// limit: the cursor goes along. It is parked and said, everything else goes on,
// and it is taken when the target's limit is a step above the source's.
func TestValueOfTheSourcesLimit(t *testing.T) {
	t.Parallel()
	s, _ := guardedSite(t)
	size := s.putLargest("/apps/limit", etcdLimit)
	s.put("/apps/later", "1")
	e := s.report("is degraded", in(status.Degraded))
	if len(e.Parked) != 1 || e.Parked[0].Why != status.TooLarge || e.ParkedKeys != 1 || !strings.Contains(e.Reason, "/apps/limit") {
		t.Fatalf("the edge does not say what is parked: %q, %+v", e.Reason, e.Parked)
	}
	if try := e.Parked[0].Try + e.Try; !strings.Contains(try, "max-request-bytes") {
		t.Errorf("the edge does not say what to do: %q", try)
	}
	s.until("what came later is there", func() bool { return s.held("/apps/later") == 1 })
	if n := s.held("/apps/limit"); n != 0 {
		t.Errorf("%d keys of the group are there", n)
	}
	s.do(func() error { return s.target.Reconfigure(t.Context(), 2<<20) })
	s.done(about(command.Retry, e.Parked[0].ID))
	s.waitEqual(patience)
	s.report("is in sync", in(status.InSync))
	t.Logf("the source takes a value of %d bytes", size)
}

// etcdLimit is etcd's --max-request-bytes where nobody sets it.
const etcdLimit = 1536 << 10

// putLargest puts the largest value that the source takes.
func (s *site) putLargest(key string, limit int) (size int) {
	s.t.Helper()
	value := noise(limit)
	for size = limit; ; size-- {
		_, err := s.source.Client().Put(s.t.Context(), key, value[:size])
		if err == nil {
			return size
		}
		if !errors.Is(err, rpctypes.ErrRequestTooLarge) || size < limit-1024 {
			s.t.Fatalf("put %d bytes: %v", size, err)
		}
	}
}

// A large value after small changes makes a transaction that etcd refuses;
// each changeset is then applied by itself, and an importer that stops between
// two of them skips none.
func TestStopBetweenChangesetsOfOneFrame(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t, withTargetLink)
	value := strings.Repeat("0123456789abcdef", 1490<<10/16)
	for round := range 5 {
		d.stopImporter()
		for i := range 20 {
			s.put(fmt.Sprintf("/apps/small%02d", i), fmt.Sprint(round, value[:4<<10]))
		}
		s.put("/flags/large", fmt.Sprint(round, value))
		s.put("/apps/after", fmt.Sprint(round))
		applied := s.target.Client().Watch(t.Context(), "/apps/small", withPrefix)
		d.stopImporter = s.startImporter()
		<-applied
		s.targetLink.BlackHole()
		d.stopImporter()
		s.targetLink.Cut()
		s.targetLink.Pass()
		d.stopImporter = s.startImporter()
	}
	e := s.settle()
	if e.Torn != 0 || e.Mismatches != 0 {
		t.Errorf("what etcd takes is torn, or something was skipped: %+v", e)
	}
	s.check(tr)
}

func TestTransactionOf128Operations(t *testing.T) {
	t.Parallel()
	s, tr, _ := runningSite(t)
	var keys []string
	var ops []clientv3.Op
	for i := range 128 {
		key := fmt.Sprintf("/flags/wide%03d", i)
		if i%2 == 0 {
			key = fmt.Sprintf("/apps/wide%03d", i)
		}
		keys = append(keys, key)
		ops = append(ops, clientv3.OpPut(key, fmt.Sprint(i)))
	}
	if _, err := s.source.Client().Txn(t.Context()).Then(ops...).Commit(); err != nil {
		t.Fatal(err)
	}
	s.settle()
	tr.landsAtOnce("the transaction", keys)
	s.check(tr)
}

func TestDeleteOf20000Keys(t *testing.T) { deleteAtOnce(t, 20_000) }

// S15: a delete of many keys is one revision of the target, and whoever asks the
// edge or its etcd meanwhile is answered.
func deleteAtOnce(t *testing.T, n int) {
	t.Helper()
	s, tr, _ := runningSite(t)
	keys := s.fill("/flags/mass/", n, 20)
	s.settle()
	tr.restartTarget()
	s.under(gentle(), func() {
		slowest := s.asks()
		if _, err := s.source.Client().Delete(t.Context(), "/flags/mass/", withPrefix); err != nil {
			t.Fatal(err)
		}
		s.settleSoon()
		took, answers := slowest()
		t.Logf("the slowest of %d answers of the edge took %v", answers, took)
		if took > patientAnswer || answers < 10 {
			t.Error("the edge does not answer while it deletes")
		}
	})
	if e := s.settle(); e.Torn != 0 {
		t.Errorf("the delete is torn: %+v", e)
	}
	tr.landsAtOnce("the delete", keys)
	s.check(tr)
}

// patientAnswer is how long somebody at an edge waits for an answer.
const patientAnswer = 5 * time.Second

// asks asks the importer how it is, and the target for a key, again and again
// until slowest is called.
func (s *site) asks() (slowest func() (took time.Duration, answers int)) {
	client := control.NewClient(s.edge.DataDir)
	s.t.Cleanup(client.Close)
	var longest time.Duration
	count := 0
	stop := s.daemon("who asks", func(ctx context.Context) error {
		for ctx.Err() == nil {
			began := time.Now()
			_, err := client.Status(s.t.Context())
			if err == nil {
				_, err = s.target.Client().Get(s.t.Context(), "/apps/a")
			}
			if err != nil {
				return err
			}
			longest, count = max(longest, time.Since(began)), count+1
		}
		return nil
	})
	return func() (time.Duration, int) {
		stop()
		return longest, count
	}
}

func TestExpiryOf10000Keys(t *testing.T) {
	s, tr, _ := runningSite(t)
	lease, err := s.source.Client().Grant(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	ctx, expire := context.WithCancel(t.Context())
	defer expire()
	alive, err := s.source.Client().KeepAlive(ctx, lease.ID)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for range alive { // closed by the client when ctx is done
		}
	}()
	keys := s.fill("/apps/leased/", 10_000, 20, clientv3.WithLease(lease.ID))
	s.settle()
	tr.restartTarget()
	gone := s.source.Client().Watch(t.Context(), keys[0], clientv3.WithRev(s.sourceRevision()+1))
	expire()
	<-gone
	if e := s.settle(); e.Torn != 0 {
		t.Errorf("the expiry is torn: %+v", e)
	}
	tr.landsAtOnce("the expiry", keys)
	s.check(tr)
}

// More than 8 MiB of tombstones at one revision are carried in parts, and the
// target is torn meanwhile.
func TestRevisionThatDoesNotFit(t *testing.T) {
	t.Parallel()
	s, tr, _ := runningSite(t)
	prefix := "/apps/" + strings.Repeat("long/", 200)
	s.fill(prefix, 9000, 10)
	s.settle()
	if _, err := s.source.Client().Delete(t.Context(), prefix, withPrefix); err != nil {
		t.Fatal(err)
	}
	e := s.settle()
	t.Logf("torn: %d, resyncs: %d", e.Torn, e.Resyncs)
	if e.Torn == 0 {
		t.Errorf("the revision was not torn, or it was not said: %+v", e)
	}
	s.load(t.Context(), workload.Load{Ops: 100})
	s.settle()
	s.check(tr)
}

// An importer that stops within a torn revision finishes it, and does not take
// what came before it in the same frame for its end.
func TestStopWithinATornRevision(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t, withTargetLink)
	prefix := "/apps/" + strings.Repeat("long/", 200)
	s.fill(prefix, 9000, 10)
	before := s.settle()
	d.stopImporter()
	s.put("/apps/before", "1")
	if _, err := s.source.Client().Delete(t.Context(), prefix, withPrefix); err != nil {
		t.Fatal(err)
	}
	s.put("/apps/behind", "1")
	deleted := s.target.Client().Watch(t.Context(), prefix, withPrefix)
	d.stopImporter = s.startImporter()
	<-deleted
	s.targetLink.BlackHole()
	d.stopImporter()
	s.targetLink.Cut()
	s.targetLink.Pass()
	d.stopImporter = s.startImporter()
	e := s.settle()
	if e.Torn != before.Torn+1 || e.Mismatches != 0 {
		t.Errorf("one revision was torn, and the edge says %+v", e)
	}
	s.check(tr)
}
