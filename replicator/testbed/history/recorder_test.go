package history_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/history"
)

// scene is an etcd with a recorder.
type scene struct {
	*testing.T
	etcd *testbed.Etcd
}

func newScene(t *testing.T) scene {
	return scene{t, testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true})}
}

func (s scene) record() *history.Recorder {
	s.Helper()
	r, err := history.Record(s.Context(), s.etcd.Client())
	if err != nil {
		s.Fatal(err)
	}
	return r
}

func (s scene) txn(ops ...clientv3.Op) int64 {
	s.Helper()
	r, err := s.etcd.Client().Txn(s.Context()).Then(ops...).Commit()
	if err != nil {
		s.Fatal(err)
	}
	return r.Header.Revision
}

func (s scene) expectAt(h history.History, revision int64, want map[string]string) {
	s.Helper()
	got, err := h.At(revision)
	if err != nil {
		s.Fatal(err)
	}
	if !maps.Equal(got, want) {
		s.Errorf("at revision %d: %v, want %v", revision, got, want)
	}
}

func TestRecorderRebuildsEveryRevision(t *testing.T) {
	s := newScene(t)
	before := s.txn(clientv3.OpPut("a", "1"), clientv3.OpPut("b", "1"))
	r := s.record()
	both := s.txn(clientv3.OpPut("a", "2"), clientv3.OpPut("c\x00", ""))
	gone := s.txn(clientv3.OpDelete("", clientv3.WithPrefix()))
	if err := r.Wait(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	h := r.History()
	s.expectAt(h, before, map[string]string{"a": "1", "b": "1"})
	s.expectAt(h, both, map[string]string{"a": "2", "b": "1", "c\x00": ""})
	s.expectAt(h, gone, map[string]string{})
	if n := len(h.After(before)); n != 2 {
		t.Errorf("%d revisions after the base, want 2", n)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestRecorderRidesOverARestart(t *testing.T) {
	s := newScene(t)
	r := s.record()
	s.txn(clientv3.OpPut("a", "1"))
	if err := s.etcd.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.txn(clientv3.OpPut("a", "2"))
	last, err := r.CatchUp(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.expectAt(r.History(), last, map[string]string{"a": "2"})
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestRecorderKeepsALargeRevisionWhole(t *testing.T) {
	s := newScene(t)
	for i := range 20 {
		s.txn(clientv3.OpPut(fmt.Sprintf("k%d", i), strings.Repeat("x", 1<<20)))
	}
	r := s.record()
	for i := range 4 { // more than fits one message of the watch
		s.txn(clientv3.OpPut("k0", strings.Repeat("y", 1<<20+i)))
	}
	gone := s.txn(clientv3.OpDelete("k", clientv3.WithPrefix()))
	if err := r.Wait(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if n := len(r.History().After(gone - 1)[0].Events); n != 20 {
		t.Errorf("the revision has %d events, want 20", n)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestHistoryCheckFindsGapsAndDoubles(t *testing.T) {
	gap := history.History{Base: 1, Revs: []history.Rev{{Revision: 3}}}
	double := history.History{Base: 1, Revs: []history.Rev{{Revision: 2, Events: []history.Event{{Key: "a"}, {Key: "a"}}}}}
	for _, h := range []history.History{gap, double} {
		if h.Check() == nil {
			t.Errorf("%+v passes", h)
		}
	}
}
