package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	clientv3 "go.etcd.io/etcd/client/v3"

	syncstream "github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// daemons stops what runs at a site. Each may be called again.
type daemons struct {
	stopExporter, stopImporter func()
}

// runningSite is a site with some content that is in sync, under record.
func runningSite(t *testing.T, options ...option) (*site, *truth, *daemons) {
	t.Helper()
	s := newSite(t, options...)
	tr := s.record()
	s.load(t.Context(), workload.Load{Ops: 200})
	d := &daemons{stopExporter: s.startExporter(), stopImporter: s.startImporter()}
	s.settle()
	return s, tr, d
}

// fill puts n keys with values of about size bytes under a prefix, many in a
// transaction.
func (s *site) fill(prefix string, n, size int, options ...clientv3.OpOption) (keys []string) {
	s.t.Helper()
	value := make([]byte, size)
	for i := range value {
		value[i] = byte('a' + i*7%23)
	}
	var ops []clientv3.Op
	for i := range n {
		key := fmt.Sprintf("%s%06d", prefix, i)
		keys = append(keys, key)
		ops = append(ops, clientv3.OpPut(key, fmt.Sprintf("%06d%s", i, value), options...))
		if len(ops) == 128 || len(ops)*size > 512<<10 || i == n-1 {
			if _, err := s.source.Client().Txn(s.t.Context()).Then(ops...).Commit(); err != nil {
				s.t.Fatalf("fill %s: %v", prefix, err)
			}
			ops = ops[:0]
		}
	}
	return keys
}

// put writes one key at the source.
func (s *site) put(key, value string) {
	s.t.Helper()
	if _, err := s.source.Client().Put(s.t.Context(), key, value); err != nil {
		s.t.Fatalf("put %s: %v", key, err)
	}
}

// txn puts keys at one revision of the source.
func (s *site) txn(puts map[string]string) {
	s.t.Helper()
	var ops []clientv3.Op
	for key, value := range puts {
		ops = append(ops, clientv3.OpPut(key, value))
	}
	if _, err := s.source.Client().Txn(s.t.Context()).Then(ops...).Commit(); err != nil {
		s.t.Fatal(err)
	}
}

// under runs fn while a paced workload writes at the source.
func (s *site) under(l workload.Load, fn func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.load(ctx, l)
	}()
	defer func() {
		cancel()
		<-done
	}()
	fn()
}

// gentle is a workload that leaves the machine room for everything else.
func gentle() workload.Load { return workload.Load{Writers: 2, Rate: 150} }

// until calls poll after each pause until it says yes.
func (s *site) until(what string, poll func() bool) {
	s.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !poll() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			s.t.Fatalf("not within %v: %s; the edge says %s", patience, what, s.newest())
		}
	}
}

// stream is the log stream as the hub's administrator sees it.
func (s *site) stream() jetstream.Stream {
	s.t.Helper()
	stream, err := s.jetstream().Stream(s.t.Context(), syncstream.Stream("cloud"))
	if err != nil {
		s.t.Fatalf("open the stream: %v", err)
	}
	return stream
}

func (s *site) jetstream() jetstream.JetStream {
	s.t.Helper()
	js, err := jetstream.New(s.admin)
	if err != nil {
		s.t.Fatal(err)
	}
	return js
}

func (s *site) lastSeq() uint64 {
	s.t.Helper()
	info, err := s.stream().Info(s.t.Context())
	if err != nil {
		s.t.Fatalf("read the stream: %v", err)
	}
	return info.State.LastSeq
}

func (s *site) deleteStream() {
	s.t.Helper()
	if err := s.jetstream().DeleteStream(s.t.Context(), syncstream.Stream("cloud")); err != nil {
		s.t.Fatalf("delete the stream: %v", err)
	}
}

func (s *site) indexFile() string { return filepath.Join(s.cloud.DataDir, "index-flags.db") }

func (s *site) inboxFile() string { return filepath.Join(s.edge.DataDir, "inbox.db") }

func (s *site) remove(path string) {
	s.t.Helper()
	if err := os.Remove(path); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) copyFile(from, to string) {
	s.t.Helper()
	raw, err := os.ReadFile(from)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(to, raw, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// copyTree copies a directory, for the eyes of its owner only.
func (s *site) copyTree(from, to string) {
	s.t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		s.t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// landsAtOnce fails unless all keys, as delivered, change in one revision of
// the target. It gives that revision.
func (tr *truth) landsAtOnce(what string, keys []string) {
	tr.s.t.Helper()
	tr.catchUp(tr.target().recorder)
	wanted := map[string]bool{}
	for _, k := range keys {
		delivered, ok := rules.Map(k)
		if !ok {
			tr.s.t.Fatalf("%s: key %q is not selected", what, k)
		}
		wanted[delivered] = true
	}
	best := 0
	for _, rev := range tr.target().recorder.History().Revs {
		n := 0
		for _, e := range rev.Events {
			if wanted[e.Key] {
				n++
			}
		}
		if best = max(best, n); n == len(wanted) {
			return
		}
	}
	tr.s.t.Errorf("%s: no revision of the target holds all %d keys; the fullest has %d", what, len(wanted), best)
}

var (
	withPrefix  = clientv3.WithPrefix()
	newestFirst = clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortDescend)
)

func put(key, value string) clientv3.Op { return clientv3.OpPut(key, value) }
