// Package instrument turns the reports of exporters and importers into
// Prometheus metrics. The pipeline itself holds no metric lines.
package instrument

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// metric is one gauge or counter that is read from a report of type R.
type metric[R any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	each func(r R, emit func(v float64, labels ...string))
}

// collector gives the metrics of the newest report when it is scraped.
type collector[R any] struct {
	report  func() R
	metrics []metric[R]
}

func (c collector[R]) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		ch <- m.desc
	}
}

func (c collector[R]) Collect(ch chan<- prometheus.Metric) {
	r := c.report()
	for _, m := range c.metrics {
		m.each(r, func(v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, v, labels...)
		})
	}
}

func define[R any](kind prometheus.ValueType, name, help string, labels []string, each func(R, func(float64, ...string))) metric[R] {
	return metric[R]{desc: prometheus.NewDesc("syncer_"+name, help, labels, nil), kind: kind, each: each}
}

// states are the values of the state label, each 0 or 1.
var states = []status.State{
	status.InSync, status.CatchingUp, status.Bootstrapping, status.ResyncNeeded,
	status.Stale, status.Disconnected, status.Degraded, status.Paused, status.Halted,
}

// Importer is the collector of an edge.
func Importer(report func() status.Edge) prometheus.Collector {
	type emit = func(float64, ...string)
	one := func(kind prometheus.ValueType, name, help string, value func(status.Edge) float64) metric[status.Edge] {
		return define(kind, "edge_"+name, help, []string{"edge", "channel"}, func(e status.Edge, emit emit) {
			emit(value(e), e.Name, e.Channel)
		})
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	return collector[status.Edge]{report: report, metrics: []metric[status.Edge]{
		define(gauge, "edge_state", "1 for the state that the edge is in.", []string{"edge", "channel", "state"},
			func(e status.Edge, emit emit) {
				for _, s := range states {
					emit(boolean(e.State == s), e.Name, e.Channel, string(s))
				}
			}),
		one(gauge, "applied_revision", "Source revision at which the target stands.", func(e status.Edge) float64 { return float64(e.AppliedRevision) }),
		one(gauge, "source_revision", "Newest source revision that the edge has heard of.", func(e status.Edge) float64 { return float64(e.SourceRevision) }),
		one(gauge, "verified_revision", "Source revision at which the digest was last proven equal.", func(e status.Edge) float64 { return float64(e.VerifiedRevision) }),
		one(gauge, "lag_seconds", "Age of the newest applied frame while others wait.", func(e status.Edge) float64 { return e.LagSeconds }),
		one(gauge, "heartbeat_timestamp_seconds", "When the newest heartbeat was sent.", func(e status.Edge) float64 { return stamp(e.Heartbeat) }),
		one(gauge, "pending_messages", "Messages in the inbox.", func(e status.Edge) float64 { return float64(e.PendingChanges) }),
		one(gauge, "pending_bytes", "Bytes in the inbox.", func(e status.Edge) float64 { return float64(e.PendingBytes) }),
		one(gauge, "keys", "Keys in the target's selection at the last proof.", func(e status.Edge) float64 { return float64(e.Keys) }),
		one(gauge, "repair_ranges", "Key ranges that a repair still has to replace.", func(e status.Edge) float64 { return float64(e.RangesLeft) }),
		one(gauge, "refused_objects", "Objects of the source that cannot be read and do not cross.", func(e status.Edge) float64 { return float64(e.Refused) }),
		one(gauge, "parked_keys", "Keys whose newest change waits for somebody.", func(e status.Edge) float64 { return float64(e.ParkedKeys) }),
		one(gauge, "mass_delete_groups", "Groups of deletes that the guard parked and that wait for approval.", func(e status.Edge) float64 { return float64(len(status.Guarded(e.Parked))) }),
		one(gauge, "paused", "1 while an operator has paused the edge.", func(e status.Edge) float64 { return boolean(e.State == status.Paused) }),
		one(gauge, "tasks", "Commands that the edge was given and has not ended.", func(e status.Edge) float64 { return unfinished(e) }),
		one(gauge, "local_keys", "Keys that hold what the edge made of them, as their rules say.", func(e status.Edge) float64 { return float64(e.LocalKeys) }),
		one(gauge, "local_revision", "Revision of the target up to which what others wrote was dealt with, 0 when the target does not tell.", func(e status.Edge) float64 { return float64(e.LocalRevision) }),
		define(counter, "edge_conflicts_total", "Changes of the edge that met the source's, by type.", []string{"edge", "channel", "type"},
			func(e status.Edge, emit emit) {
				for _, kind := range slices.Sorted(maps.Keys(e.Conflicts)) {
					emit(float64(e.Conflicts[kind]), e.Name, e.Channel, kind)
				}
			}),
		one(counter, "gaps_total", "Breaks in the chain of frames.", func(e status.Edge) float64 { return float64(e.Gaps) }),
		one(counter, "resyncs_total", "Comparisons with the source instead of history.", func(e status.Edge) float64 { return float64(e.Resyncs) }),
		one(counter, "torn_revisions_total", "Source revisions that could not be applied at one revision.", func(e status.Edge) float64 { return float64(e.Torn) }),
		one(counter, "replayed_messages_total", "Old or foreign messages that were dropped.", func(e status.Edge) float64 { return float64(e.Replayed) }),
		one(counter, "digest_mismatches_total", "Heartbeats whose digest did not match.", func(e status.Edge) float64 { return float64(e.Mismatches) }),
	}}
}

// Exporter is the collector of an exporter.
func Exporter(report func() status.Exporter) prometheus.Collector {
	type emit = func(float64, ...string)
	each := func(kind prometheus.ValueType, name, help string, value func(status.Channel) float64) metric[status.Exporter] {
		return define(kind, "channel_"+name, help, []string{"source", "channel"}, func(e status.Exporter, emit emit) {
			for _, c := range e.Channels {
				if c.Revision != 0 || c.Spool == nil { // between terms only the spool is known
					emit(value(c), e.Source, c.Name)
				}
			}
		})
	}
	spool := func(name, help string, value func(status.Spool) float64) metric[status.Exporter] {
		return define(prometheus.GaugeValue, "spool_"+name, help, []string{"source", "channel"}, func(e status.Exporter, emit emit) {
			for _, c := range e.Channels {
				if c.Spool != nil {
					emit(value(*c.Spool), e.Source, c.Name)
				}
			}
		})
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	return collector[status.Exporter]{report: report, metrics: []metric[status.Exporter]{
		define(gauge, "exporter_active", "1 while this exporter publishes.", []string{"source"},
			func(e status.Exporter, emit emit) { emit(boolean(e.Role == "active"), e.Source) }),
		define(gauge, "exporter_refused_edges", fmt.Sprintf("Paired edges that have no channel, counted up to %d.", status.MaxRefusals), []string{"source"},
			func(e status.Exporter, emit emit) { emit(float64(len(e.Refusals)), e.Source) }),
		define(gauge, "channel_failing", "1 while the channel fails and is tried again.", []string{"source", "channel"},
			func(e status.Exporter, emit emit) {
				for _, c := range e.Channels {
					emit(boolean(c.Trouble != ""), e.Source, c.Name)
				}
			}),
		each(gauge, "revision", "Newest source revision that was published.", func(c status.Channel) float64 { return float64(c.Revision) }),
		each(gauge, "keys", "Keys in the channel.", func(c status.Channel) float64 { return float64(c.Keys) }),
		each(gauge, "bytes", "Key and value bytes in the channel.", func(c status.Channel) float64 { return float64(c.Bytes) }),
		spool("bytes", "Bytes of source history kept while the hub is away.", func(s status.Spool) float64 { return float64(s.Bytes) }),
		spool("revision", "Newest source revision in the spool, 0 when it is empty.", func(s status.Spool) float64 { return float64(s.Revision) }),
		spool("revisions", "Source revisions with changes in the spool.", func(s status.Spool) float64 { return float64(s.Revisions) }),
		spool("full", "1 when the newest spool was dropped because it was full.", func(s status.Spool) float64 { return boolean(s.Full) }),
		each(gauge, "released_keys", "Keys that edges keep as their own.", func(c status.Channel) float64 { return float64(c.Released) }),
		each(gauge, "refused_objects", "Objects of the source that cannot be read and do not cross.", func(c status.Channel) float64 {
			if c.Refused == nil {
				return 0
			}
			return float64(c.Refused.Objects)
		}),
		each(counter, "resets_total", "Times the channel started over and edges had to compare.", func(c status.Channel) float64 { return float64(c.Resets) }),
	}}
}

func unfinished(e status.Edge) float64 {
	n := 0
	for _, t := range e.Tasks {
		if !t.State.Ended() {
			n++
		}
	}
	return float64(n)
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func stamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// Serve answers /metrics on an address until ctx is done, and then returns nil.
func Serve(ctx context.Context, listen string, c prometheus.Collector) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return fault.New(fault.General, "choose another address in metrics.listen", "serve metrics on %s: %w", listen, err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fault.New(fault.General, "", "serve metrics on %s: %w", listen, err)
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	err = server.Shutdown(closing)
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
