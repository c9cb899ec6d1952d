package main_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// TestExporterKilledWhileSpooling kills the exporter again and again while the
// hub is away and the source forgets what was spooled. What the edge gets in
// the end is the source's history, revision by revision.
func TestExporterKilledWhileSpooling(t *testing.T) {
	r := newRig(t, false)
	metrics := r.serveMetrics()
	r.start()
	r.burst(workload.Load{Ops: 200})
	inSync := func(_ status.List, it status.Item) bool { return it.State == status.InSync }
	before := r.await("the edge is in sync", inSync)
	r.hub.halt()
	stop := r.load(usual)
	var steps []int64
	for i := range 5 {
		if i == 4 {
			stop()
		}
		resp, err := r.source.Client().Put(t.Context(), "/flags/step", fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		at := resp.Header.Revision
		steps = append(steps, at)
		r.spooled(metrics, at)
		r.truth.catchUp(r.truth.source) // before it is compacted away
		if _, err := r.source.Client().Compact(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		r.exporter.kill(t)
	}
	r.hub.start()
	r.settle()
	after := r.await("the edge is in sync", inSync)
	if after.Lineage != before.Lineage || after.Resyncs != before.Resyncs || after.Gaps != before.Gaps {
		t.Errorf("before the outage %+v, after it %+v", before, after)
	}
	published := r.published()
	for _, at := range steps {
		if published[at] != 1 {
			t.Errorf("revision %d is published %d times", at, published[at])
		}
	}
}

// serveMetrics has the exporter serve metrics, and gives where.
func (r *rig) serveMetrics() (url string) {
	r.t.Helper()
	address, err := testbed.FreeAddress()
	if err != nil {
		r.t.Fatal(err)
	}
	raw, err := os.ReadFile(r.path("cloud.yaml"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("cloud.yaml", string(raw)+fmt.Sprintf("metrics: {listen: %q}\n", address))
	return "http://" + address + "/metrics"
}

// spooled waits until the exporter has spooled a revision.
func (r *rig) spooled(url string, revision int64) {
	r.t.Helper()
	for ctx := within(r.t); newestSpooled(url) < revision; {
		if ctx.Err() != nil {
			r.t.Fatalf("revision %d is not spooled", revision)
		}
		r.hold(50 * time.Millisecond)
	}
}

// newestSpooled is the newest revision that the exporter has spooled, 0 while
// it does not answer.
func newestSpooled(url string) int64 {
	resp, err := http.Get(url) //nolint:noctx // local, and the daemon's end is its end
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), `syncer_spool_revision{channel="flags",source="cloud"} `); found {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0
			}
			return int64(v)
		}
	}
	return 0
}

// published counts the changesets of each revision on the stream.
func (r *rig) published() map[int64]int {
	r.t.Helper()
	js, err := natsjs.New(r.admin())
	if err != nil {
		r.t.Fatal(err)
	}
	stream, err := js.Stream(within(r.t), jetstream.Stream("cloud"))
	if err != nil {
		r.t.Fatal(err)
	}
	out, info := map[int64]int{}, stream.CachedInfo()
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := stream.GetMsg(within(r.t), seq)
		if err != nil {
			continue // pages and chunks of an edge are purged
		}
		f, err := change.DecodeFrame(m.Data)
		if err != nil || f.Kind != change.KindChanges || f.Parts > 1 {
			continue
		}
		raw, err := change.Decompress(f.Body)
		if err != nil {
			r.t.Fatal(err)
		}
		sets, err := change.DecodeChanges(raw)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, s := range sets {
			out[s.Revision]++
		}
	}
	return out
}
