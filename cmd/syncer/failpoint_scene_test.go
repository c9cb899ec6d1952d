package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/history"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// hubAway has the exporter spool what the source changes. Whoever dies there
// gets the hub back.
func hubAway(r *rig, victim *daemon, plan string) (*testbed.Process, func()) {
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	r.hub.halt()
	victim.halt()
	if err := os.Remove(r.path("exporter", "spool-flags.db")); err != nil && !errors.Is(err, os.ErrNotExist) { // another one is made
		r.t.Fatal(err)
	}
	return victim.startAt(r.t, plan), stop
}

// unreadable damages a file of the edge.
func unreadable(file string) scene {
	return func(r *rig, victim *daemon, plan string) (*testbed.Process, func()) {
		r.start()
		stop := r.load(usual)
		r.truth.moves()
		victim.halt()
		path := r.path("edge", file)
		raw, err := os.ReadFile(path)
		if err != nil {
			r.t.Fatal(err)
		}
		for i := range min(len(raw), 2*os.Getpagesize()) { // where it says what it is
			raw[i] ^= 0xff
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			r.t.Fatal(err)
		}
		return victim.startAt(r.t, plan), func() {
			stop()
			if _, err := os.Stat(path + ".damaged-1"); err != nil {
				r.t.Errorf("what was damaged is not kept: %v", err)
			}
		}
	}
}

// background does something while daemons die, and gives the wait for its end.
func background(t *testing.T, do func(ctx context.Context) error) (wait func()) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	return func() {
		defer cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// until runs a command again and again until its answer is taken.
func (r *rig) until(ctx context.Context, take func(result) bool, args ...string) error {
	for {
		res, err := r.command(ctx, args...)
		if err == nil && take(res) {
			return nil
		}
		if res.code == 2 {
			return fmt.Errorf("syncer %s: %s", strings.Join(args, " "), res.stderr)
		}
		timer := time.NewTimer(100 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("syncer %s: exit code %d, %w\n%s%s", strings.Join(args, " "), res.code, context.Cause(ctx), res.stdout, res.stderr)
		}
	}
}

// commanded has somebody order one thing after the other. What was taken is
// carried out, whoever dies meanwhile: nothing is ordered twice.
func commanded(r *rig, victim *daemon, plan string) (*testbed.Process, func()) {
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	victim.halt()
	p := victim.startAt(r.t, plan)
	wait := background(r.t, func(ctx context.Context) error {
		for _, verb := range []string{"pause", "resume", "resync"} {
			res, err := r.command(ctx, verb, "store-1", "--timeout", patience.String(), "-c", r.path("cloud.yaml"))
			if err != nil || res.code != 0 {
				return fmt.Errorf("%s ended with exit code %d, %v\n%s%s", verb, res.code, err, res.stdout, res.stderr)
			}
		}
		return nil
	})
	return p, func() {
		wait()
		stop()
	}
}

// guardedKeys are deleted at once at the source, which the guard stops.
const guardedKeys = 30

// guarded fills the edge, and gives the deletes and the load that goes on.
func guarded(r *rig) (deletes []clientv3.Op, stop func()) {
	r.write("flags.yaml", policy+guardedRule)
	r.start()
	var puts []clientv3.Op
	for i := range guardedKeys {
		key := fmt.Sprintf("/guarded/%02d", i)
		puts, deletes = append(puts, clientv3.OpPut(key, "stays")), append(deletes, clientv3.OpDelete(key))
	}
	r.commits(puts)
	r.burst(workload.Load{Ops: 50})
	r.prove()
	stop = r.load(usual)
	r.truth.moves()
	return deletes, stop
}

// parking dies over deletes that wait at the edge.
func parking(r *rig, victim *daemon, plan string) (*testbed.Process, func()) {
	deletes, stop := guarded(r)
	victim.halt()
	r.commits(deletes)
	return victim.startAt(r.t, plan), stop
}

// release makes sure that what waits goes on to wait after one more death, and
// lets it go.
func (r *rig) release() {
	r.t.Helper()
	for range 2 {
		if err := r.parks(within(r.t)); err != nil {
			r.t.Fatal(err)
		}
		r.importer.kill(r.t)
	}
	if err := r.approves(within(r.t)); err != nil {
		r.t.Fatal(err)
	}
}

// releasing dies over deletes that somebody lets go.
func releasing(r *rig, victim *daemon, plan string) (*testbed.Process, func()) {
	deletes, stop := guarded(r)
	r.commits(deletes)
	if err := r.parks(within(r.t)); err != nil {
		r.t.Fatal(err)
	}
	victim.halt()
	p := victim.startAt(r.t, plan)
	released := background(r.t, r.approves)
	return p, func() {
		released()
		stop()
	}
}

// parks waits until the deletes are parked, with their keys where they were.
func (r *rig) parks(ctx context.Context) error {
	waits := func(res result) bool {
		var list struct{ ParkedKeys int }
		return json.Unmarshal(res.stdout, &list) == nil && list.ParkedKeys == guardedKeys
	}
	if err := r.until(ctx, waits, "parked", "list", "store-1", "-o", "json", "-c", r.path("cloud.yaml")); err != nil {
		return err
	}
	if n, err := r.holds(ctx, "/guarded/"); n != guardedKeys || err != nil {
		return fmt.Errorf("the edge holds %d of the %d keys that wait, %w", n, guardedKeys, err)
	}
	return nil
}

// approves lets the deletes go until they are done.
func (r *rig) approves(ctx context.Context) error {
	return r.until(ctx, func(result) bool {
		n, err := r.holds(ctx, "/guarded/")
		return n == 0 && err == nil
	}, "resync", "store-1", "--approve", "-c", r.path("cloud.yaml"))
}

func (r *rig) commits(ops []clientv3.Op) {
	r.t.Helper()
	if _, err := r.source.Client().Txn(within(r.t)).Then(ops...).Commit(); err != nil {
		r.t.Fatal(err)
	}
}

// holds counts keys of the edge.
func (r *rig) holds(ctx context.Context, prefix string) (int64, error) {
	resp, err := r.store().Client().Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return 0, err
	}
	return resp.Count, nil
}

// held has somebody at the edge change a key that waits then for a decision,
// and somebody decide.
func held(r *rig, victim *daemon, plan string) (*testbed.Process, func()) {
	const key = "/held/key"
	r.write("flags.yaml", policy+heldRule)
	r.start()
	r.commits([]clientv3.Op{clientv3.OpPut(key, "the source's")})
	r.burst(workload.Load{Ops: 50})
	r.prove()
	stop := r.load(usual)
	r.truth.moves()
	victim.halt()
	r.truth.write(clientv3.OpPut(key, "by hand"))
	p := victim.startAt(r.t, plan)
	decided := background(r.t, func(ctx context.Context) error {
		open := func(res result) bool { return strings.Contains(string(res.stdout), key) }
		if err := r.until(ctx, open, "conflicts", "list", "store-1", "--open", "-c", r.path("cloud.yaml")); err != nil {
			return err
		}
		right := func(res result) bool { // also when whoever did it died before it said so
			now, err := r.store().Client().Get(ctx, key)
			return res.code == 0 || err == nil && len(now.Kvs) == 1 && string(now.Kvs[0].Value) == "the source's"
		}
		return r.until(ctx, right, "conflicts", "resolve", key, "--edge", "store-1", "--take", "source", "-c", r.path("cloud.yaml"))
	})
	return p, func() {
		decided()
		stop()
		r.mended(key, "the source's")
	}
}

// mended makes sure that what somebody at the edge wrote is on record, once for
// each process that may have decided about it, and was put right exactly once: by
// a put, or by a delete where the value is empty.
func (r *rig) mended(key, value string) {
	r.t.Helper()
	var list struct {
		Items []struct {
			Text     string
			Conflict struct{ Edge struct{ Size int } }
		}
	}
	err := r.until(within(r.t), func(res result) bool { return res.code == 0 && json.Unmarshal(res.stdout, &list) == nil },
		"conflicts", "list", "store-1", "-o", "json", "-c", r.path("cloud.yaml"))
	if err != nil {
		r.t.Fatal(err)
	}
	records := 0
	for _, it := range list.Items {
		if it.Text == key && it.Conflict.Edge.Size == len("by hand") {
			records++
		}
	}
	if records < 1 || records > 3 { // two are killed
		r.t.Errorf("%s is on record %d times: %+v", key, records, list.Items)
	}
	r.truth.catchUp(r.truth.target())
	var writes []history.Event
	for _, rev := range r.truth.target().recorder.History().Revs {
		for _, e := range rev.Events {
			switch {
			case e.Key != key:
			case r.truth.local[rev.Revision]:
				writes = nil
			default:
				writes = append(writes, e)
			}
		}
	}
	if len(writes) != 1 || writes[0].Value != value || writes[0].Delete != (value == "") {
		r.t.Errorf("what was written to %s after the edit: %+v", key, writes)
	}
}
