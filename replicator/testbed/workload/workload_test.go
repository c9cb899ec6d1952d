package workload_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/history"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

var shape = workload.Shape{Prefixes: []string{"/flags/", "/flags/internal/", "/other/"}}

func run(t *testing.T, load workload.Load) (history.History, workload.Report) {
	t.Helper()
	etcd := testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true})
	recorder, err := history.Record(t.Context(), etcd.Client())
	if err != nil {
		t.Fatal(err)
	}
	report, err := workload.Run(t.Context(), etcd.Client(), load)
	if err != nil {
		t.Fatal(err)
	}
	if err := recorder.Wait(t.Context(), report.LastRevision); err != nil {
		t.Fatal(err)
	}
	if err := recorder.Close(); err != nil {
		t.Fatal(err)
	}
	return recorder.History(), report
}

func TestRunIsReplayableFromItsSeed(t *testing.T) {
	seed, err := workload.Seed(t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	load := workload.Load{Shape: shape, Seed: seed, Ops: 300}
	first, _ := run(t, load)
	second, _ := run(t, load)
	if !reflect.DeepEqual(first, second) {
		t.Error("two runs of one seed differ")
	}
}

func TestRunMakesEveryKindOfChange(t *testing.T) {
	h, report := run(t, workload.Load{Shape: shape, Seed: 1, Ops: 1000, Writers: 4})
	if report.Ops != 1000 || report.Retries != 0 || report.Bytes == 0 {
		t.Errorf("report: %s", report)
	}
	for kind, n := range report.Kinds {
		if n == 0 {
			t.Errorf("no %s", workload.Kind(kind))
		}
	}
	seen := map[string]bool{}
	for _, rev := range h.Revs {
		prefixes := map[string]bool{}
		for _, e := range rev.Events {
			prefixes[e.Key[:strings.Index(e.Key, "g")]] = true
			seen["binary key"] = seen["binary key"] || strings.Contains(e.Key, "\xff")
			seen["empty value"] = seen["empty value"] || !e.Delete && e.Value == ""
			seen["large value"] = seen["large value"] || len(e.Value) > 2<<10
		}
		seen["several prefixes at once"] = seen["several prefixes at once"] || len(prefixes) > 1
		seen["many keys at once"] = seen["many keys at once"] || len(rev.Events) > 8
	}
	if len(seen) != 5 {
		t.Errorf("seen %v", seen)
	}
	for what, ok := range seen {
		if !ok {
			t.Errorf("no %s", what)
		}
	}
}

func TestRunKeepsItsRate(t *testing.T) {
	_, report := run(t, workload.Load{Shape: shape, Seed: 1, Ops: 51, Rate: 100})
	if report.Took < 450*time.Millisecond {
		t.Errorf("51 requests at 100 a second took %s", report.Took)
	}
}

func TestRunRidesOverAnOutage(t *testing.T) {
	etcd := testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true})
	ctx, cancel := context.WithCancel(t.Context())
	type result struct {
		report workload.Report
		err    error
	}
	done := make(chan result, 1)
	go func() {
		report, err := workload.Run(ctx, etcd.Client(), workload.Load{Shape: shape, Seed: 1, Writers: 2})
		done <- result{report, err}
	}()
	waitForWrites(t, etcd.Client())
	if err := etcd.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitForWrites(t, etcd.Client())
	cancel()
	if r := <-done; r.err != nil || r.report.Ops == 0 {
		t.Errorf("after an outage: %s, %v", r.report, r.err)
	}
}

// waitForWrites waits until somebody wrote.
func waitForWrites(t *testing.T, client *clientv3.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for r := range client.Watch(ctx, "/", clientv3.WithPrefix()) {
		if len(r.Events) > 0 {
			return
		}
	}
	t.Fatal("nobody writes")
}

func TestRunEndsWhenEtcdSaysNo(t *testing.T) {
	etcd := testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true, MaxTxnOps: 4})
	_, err := workload.Run(t.Context(), etcd.Client(), workload.Load{Shape: shape, Seed: 1})
	if err == nil || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "too many operations") {
		t.Errorf("got %v", err)
	}
}
