package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// outage is a source etcd and the data directory of an exporter whose index
// holds the source's content and whose hub is away.
type outage struct {
	t     *testing.T
	etcd  *testbed.Etcd
	proxy *testbed.Proxy // in front of the etcd, for the spooler
	sel   *filter.Selection
	dir   string
	spool *spool
	log   *slog.Logger
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	to := "/edge/"
	sel, err := filter.Compile(filter.Policy{
		APIVersion: filter.APIVersion, Kind: "Policy", Metadata: filter.Metadata{Name: "flags"},
		Spec: filter.Spec{Rules: []filter.Rule{{Name: "flags", Prefix: "/flags/", Exclude: []string{"/flags/private/"}, To: &to}}},
	}, filter.DefaultCluster)
	if err != nil {
		t.Fatal(err)
	}
	o := &outage{t: t, sel: sel, dir: t.TempDir(), log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	o.etcd = testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true})
	o.proxy = testbed.NewProxy(t, o.etcd.Address())
	for i := range 10 {
		o.put(fmt.Sprintf("/flags/%d", i), "before")
	}
	o.spool = openSpool(t, filepath.Join(o.dir, "spool.db"), 16<<20)
	o.checkpoint()
	return o
}

func (o *outage) put(key, value string) int64 {
	o.t.Helper()
	resp, err := o.etcd.Client().Put(o.t.Context(), key, value)
	if err != nil {
		o.t.Fatal(err)
	}
	return resp.Header.Revision
}

func (o *outage) index() string { return filepath.Join(o.dir, "index.db") }

// source is the selection as the spooler reads it.
func (o *outage) source(cli *clientv3.Client) Source {
	return source.New(cli, o.sel.SourceRanges(), source.Options{Progress: 20 * time.Millisecond}, o.log)
}

// checkpoint commits an index of what the source holds now.
func (o *outage) checkpoint() {
	o.t.Helper()
	x, _, err := openIndex(o.index())
	if err != nil {
		o.t.Fatal(err)
	}
	c := &channel{selection: o.sel, index: x}
	src := o.source(o.etcd.Client())
	var at int64
	for _, r := range o.sel.SourceRanges() {
		if _, at, err = src.Scan(o.t.Context(), r, c.learn); err != nil {
			o.t.Fatal(err)
		}
	}
	cp := checkpointAt(at)
	cp.Policy = o.sel.Digest()
	if err := x.commit(cp); err != nil {
		o.t.Fatal(err)
	}
	if err := x.close(); err != nil {
		o.t.Fatal(err)
	}
}

// spooling runs a spooler until stop is called.
func (o *outage) spooling() (stop func()) {
	o.t.Helper()
	cli, err := dial.Dial(o.t.Context(), dial.Config{Endpoints: []string{"http://" + o.proxy.Address()}}, o.log)
	if err != nil {
		o.t.Fatal(err)
	}
	s := &spooler{name: "flags", selection: o.sel, source: o.source(cli), index: o.index(), spool: o.spool, logger: o.log, progress: 50 * time.Millisecond}
	ctx, cancel := context.WithCancel(o.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.run(ctx)
	}()
	stopped := false
	stop = func() {
		cancel()
		<-done
		if !stopped {
			stopped = true
			_ = cli.Close() // its context is done
		}
	}
	o.t.Cleanup(stop)
	return stop
}

func (o *outage) until(what string, poll func() bool) {
	o.t.Helper()
	deadline := time.Now().Add(45 * time.Second)
	for !poll() {
		if time.Now().After(deadline) {
			o.t.Fatalf("never: %s; the spool says %+v", what, o.spool.status())
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-o.t.Context().Done():
			o.t.Fatal(o.t.Context().Err())
		}
	}
}

// The connection to the source breaks now and then: nothing is missing, nothing
// stands twice, and what is not selected is not there.
func TestSpoolerGoesOnOverBreaks(t *testing.T) {
	o := newOutage(t)
	stop := o.spooling()
	var want []int64
	for round := range 4 {
		for i := range 50 {
			want = append(want, o.put(fmt.Sprintf("/flags/%d", i%7), fmt.Sprint(round, i)))
			o.put("/flags/private/x", "1")
		}
		o.until("the round is spooled", func() bool { return o.spool.last() >= want[len(want)-1] })
		switch round {
		case 0, 1:
			o.proxy.Cut()
		case 2:
			stop()
			stop = o.spooling()
		}
	}
	stop()
	i := 0
	got, _ := read(t, o.spool, 0)
	for _, r := range got {
		if i >= len(want) || r.Revision != want[i] || len(r.Events) != 1 || r.Events[0].Op != change.Put {
			t.Fatalf("revision %d of the spool is %+v", i, r)
		}
		i++
	}
	if i != len(want) {
		t.Errorf("%d of %d revisions are spooled", i, len(want))
	}
}

// A source whose selection is idle is followed all the same: what is compacted
// meanwhile was seen.
func TestSpoolerKnowsAnIdleSource(t *testing.T) {
	o := newOutage(t)
	stop := o.spooling()
	selected := o.put("/flags/0", "spooled")
	o.until("the spooler follows", func() bool { return o.spool.last() >= selected })
	idle := o.put("/elsewhere", "1")
	o.until("progress is spooled", func() bool { return o.spool.last() >= idle })
	stop()
	if got, resolved := read(t, o.spool, 0); len(got) != 1 || resolved < idle {
		t.Errorf("the spool holds %d revisions up to %d, want 1 up to %d", len(got), resolved, idle)
	}
}

// What a spooler cannot have any more it gives up, once, and says so.
func TestSpoolerGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(o *outage)
		say   string
	}{
		"compacted": {
			fault: func(o *outage) {
				at := o.put("/flags/0", "compacted away")
				if _, err := o.etcd.Client().Compact(o.t.Context(), o.put("/flags/0", fmt.Sprint(at))); err != nil {
					o.t.Fatal(err)
				}
			},
			say: "compacted",
		},
		"restored": {
			fault: func(o *outage) {
				older := filepath.Join(o.dir, "older")
				if err := o.etcd.Copy(o.t.Context(), older); err != nil {
					o.t.Fatal(err)
				}
				o.put("/flags/0", "lost")
				o.checkpoint()
				if err := o.etcd.Restore(o.t.Context(), older); err != nil {
					o.t.Fatal(err)
				}
				for range 20 {
					o.put("/flags/1", "another history")
				}
			},
			say: "restored or replaced",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOutage(t)
			c.fault(o)
			stop := o.spooling()
			o.until("the spooler gives up", func() bool {
				st := o.spool.status()
				return st != nil && strings.Contains(st.Reason, c.say)
			})
			stop()
			again := o.spooling()
			again()
			if o.spool.last() != 0 {
				t.Errorf("the spool holds %+v", o.spool.status())
			}
		})
	}
}
