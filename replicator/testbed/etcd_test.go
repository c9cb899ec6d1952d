package testbed

import (
	"context"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// server is what both kinds of etcd have in common.
type server interface {
	Client() *clientv3.Client
	Wipe(ctx context.Context) error
	Copy(ctx context.Context, dir string) error
	Restore(ctx context.Context, dir string) error
	Restart(ctx context.Context) error
}

func eachServer(t *testing.T, test func(*testing.T, server)) {
	t.Run("embedded", func(t *testing.T) { test(t, NewEtcd(t, EtcdConfig{})) })
	t.Run("process", func(t *testing.T) { test(t, NewEtcdProcess(t, EtcdConfig{})) })
}

func put(t *testing.T, c *clientv3.Client, key, value string) int64 {
	t.Helper()
	r, err := c.Put(t.Context(), key, value)
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return r.Header.Revision
}

func get(t *testing.T, c *clientv3.Client, key string) (value string, revision int64) {
	t.Helper()
	r, err := c.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	if len(r.Kvs) > 0 {
		value = string(r.Kvs[0].Value)
	}
	return value, r.Header.Revision
}

func TestEtcdKeepsItsDataOverARestart(t *testing.T) {
	eachServer(t, func(t *testing.T, s server) {
		want := put(t, s.Client(), "a", "1")
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if value, revision := get(t, s.Client(), "a"); value != "1" || revision != want {
			t.Fatalf("after a restart: %q at %d, want \"1\" at %d", value, revision, want)
		}
	})
}

func TestEtcdRestoreGoesBackInRevisions(t *testing.T) {
	eachServer(t, func(t *testing.T, s server) {
		older := put(t, s.Client(), "a", "1")
		dir := t.TempDir() + "/copy"
		if err := s.Copy(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		put(t, s.Client(), "a", "2")
		if err := s.Restore(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		if value, revision := get(t, s.Client(), "a"); value != "1" || revision != older {
			t.Fatalf("after the restore: %q at %d, want \"1\" at %d", value, revision, older)
		}
	})
}

func TestEtcdWipeStartsAtRevisionOne(t *testing.T) {
	eachServer(t, func(t *testing.T, s server) {
		put(t, s.Client(), "a", "1")
		if err := s.Wipe(t.Context()); err != nil {
			t.Fatal(err)
		}
		if value, revision := get(t, s.Client(), "a"); value != "" || revision != 1 {
			t.Fatalf("after the wipe: %q at %d", value, revision)
		}
	})
}

func TestEtcdStopsAtOnceUnderAnOpenWatch(t *testing.T) {
	e := NewEtcd(t, EtcdConfig{Fast: true})
	events := e.Client().Watch(t.Context(), "a", clientv3.WithCreatedNotify())
	<-events
	start := time.Now()
	e.Stop()
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, e.Client(), "a", "1")
	if r := <-events; len(r.Events) != 1 {
		t.Fatalf("the watch went on with %+v", r)
	}
}

func TestEtcdProcessHasItsOwnMemory(t *testing.T) {
	e := NewEtcdProcess(t, EtcdConfig{Fast: true})
	peak, err := PeakRSS(e.PID())
	if err != nil {
		t.Fatal(err)
	}
	if peak < 4<<20 || peak > 1<<30 {
		t.Errorf("peak RSS of an idle etcd is %d bytes", peak)
	}
}
