package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/status"
)

// claim is what was said of the edge: by `syncer status -o json`, or by the
// edge itself in a report.
type claim struct {
	asked, answered time.Time
	item            status.Item
	report          bool
	digest          string // of a report
}

// claims asks `syncer status` again and again while a rig runs, and takes every
// report of the edge.
type claims struct {
	r       *rig
	cancel  context.CancelFunc
	running sync.WaitGroup
	sub     *nats.Subscription

	mu   sync.Mutex
	list []claim
}

// askEvery is the pause between two questions.
const askEvery = 700 * time.Millisecond

func (r *rig) listen() *claims {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &claims{r: r, cancel: cancel}
	nc := r.admin()
	var err error
	if c.sub, err = nc.Subscribe(jetstream.StatusSubject("cloud", "store-1"), c.take); err != nil {
		r.t.Fatalf("listen to the edge's reports: %v", err)
	}
	if err := nc.FlushWithContext(within(r.t)); err != nil {
		r.t.Fatalf("listen to the edge's reports: %v", err)
	}
	c.running.Go(func() {
		for ctx.Err() == nil {
			c.ask(ctx)
			timer := time.NewTimer(askEvery)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
		}
	})
	r.t.Cleanup(c.stop)
	return c
}

func (c *claims) stop() {
	c.cancel()
	c.running.Wait()
	_ = c.sub.Unsubscribe() // it fails only when the connection is gone
}

// take records a report.
func (c *claims) take(m *nats.Msg) {
	var e status.Edge
	if err := json.Unmarshal(m.Data, &e); err != nil {
		c.r.t.Errorf("a report of the edge cannot be read: %v\n%s", err, m.Data)
		return
	}
	age := 0.0
	c.add(claim{asked: time.Now(), answered: time.Now(), report: true, digest: e.Digest, item: status.Item{
		Name: e.Name, State: e.State, Reason: e.Reason, Lineage: e.Lineage, AgeSeconds: &age,
		AppliedRevision: e.AppliedRevision, VerifiedRevision: e.VerifiedRevision, Keys: e.Keys,
		Mismatches: e.Mismatches,
	}})
}

func (c *claims) all() []claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clip(c.list)
}

// nothingSkipped insists that no comparison found the target to be other than
// its cursor says. A change that was skipped is repaired soon, and so fails no
// other check; where nothing is lost and nobody else writes, none is.
func (c *claims) nothingSkipped() {
	c.r.t.Helper()
	for _, said := range c.all() {
		if said.item.Mismatches > 0 {
			c.r.t.Errorf("a change was skipped or took effect twice: the digest did not match at about %s", said.answered.Format(clock))
			return
		}
	}
}

// ask records an answer. A hub that does not answer is no lie, as long as the
// exit code says so.
func (c *claims) ask(ctx context.Context) {
	asked := time.Now()
	res, err := c.r.command(ctx, "status", "store-1", "-o", "json", "-c", c.r.path("cloud.yaml"))
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		c.r.t.Errorf("syncer status: %v\n%s", err, res.stderr)
		return
	}
	switch res.code {
	case 5: // the hub is away
		return
	case 0, 3, 7: // 7 is that the guard has stopped deletes
	default:
		c.r.t.Errorf("syncer status ended with exit code %d:\n%s%s", res.code, res.stdout, res.stderr)
		return
	}
	it, err := only(res.stdout)
	if err != nil {
		c.r.t.Errorf("%v\n%s%s", err, res.stdout, res.stderr)
		return
	}
	if it.State == status.InSync && res.code != 0 && it.Reason == "" || it.State != status.InSync && res.code == 0 {
		c.r.t.Logf("status of a %s edge ends with exit code %d: %s", it.State, res.code, res.stderr)
	}
	if it.State != status.InSync && it.Reason == "" {
		c.r.t.Errorf("a %s edge gives no reason:\n%s", it.State, res.stdout)
	}
	c.add(claim{asked: asked, answered: time.Now(), item: it})
}

func (c *claims) add(said claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, said)
}

// only reads a status of one edge.
func only(stdout []byte) (status.Item, error) {
	list, err := readStatus(stdout)
	if err != nil {
		return status.Item{}, err
	}
	if len(list.Items) != 1 {
		return status.Item{}, fmt.Errorf("a status of %d edges", len(list.Items))
	}
	return list.Items[0], nil
}

func readStatus(stdout []byte) (status.List, error) {
	var v struct {
		Kind string
		status.List
	}
	if err := json.Unmarshal(stdout, &v); err != nil {
		return v.List, fmt.Errorf("read the status: %w", err)
	}
	if v.Kind != "StatusList" {
		return v.List, fmt.Errorf("status printed a %q", v.Kind)
	}
	return v.List, nil
}

// await asks `syncer status` until it satisfies a condition.
func (r *rig) await(what string, condition func(status.List, status.Item) bool) status.Item {
	r.t.Helper()
	deadline, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	var res result
	for {
		var err error
		res, err = r.command(deadline, "status", "store-1", "-o", "json", "-c", r.path("cloud.yaml"))
		if deadline.Err() != nil {
			r.t.Fatalf("status never said that %s; the last one: exit code %d\n%s%s", what, res.code, res.stdout, res.stderr)
		}
		if err != nil {
			r.t.Fatal(err)
		}
		if list, err := readStatus(res.stdout); err == nil && len(list.Items) == 1 && condition(list, list.Items[0]) {
			return list.Items[0]
		}
		r.hold(200 * time.Millisecond)
	}
}

// admin connects to the hub as its administrator, as soon as it is there.
func (r *rig) admin() *nats.Conn {
	r.t.Helper()
	for ctx := within(r.t); ; r.hold(50 * time.Millisecond) {
		nc, err := conn.Connect(ctx, conn.Options{
			URLs: []string{"nats://" + r.address}, CredentialsFile: r.path("hub", "admin.nk"), Name: "test",
			JitterMax: 10 * time.Millisecond, Logger: quiet,
		})
		if err == nil {
			r.t.Cleanup(nc.Close)
			return nc
		}
		if ctx.Err() != nil {
			r.t.Fatalf("connect to the hub: %v", err)
		}
	}
}

// within gives a context for one wait.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// quiet is the log of connections that a test makes for itself.
var quiet = slog.New(slog.DiscardHandler)
