package instrument

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/status"
)

func scrape(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				if l.GetName() == "state" || l.GetName() == "type" {
					name += "/" + l.GetValue()
				}
			}
			out[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return out
}

func TestEdgeMetricsSayWhatTheStatusSays(t *testing.T) {
	got := scrape(t, Importer(func() status.Edge {
		return status.Edge{
			Name: "store-1", Channel: "flags", State: status.Halted, AppliedRevision: 7, Gaps: 2, Resyncs: 3, Torn: 4,
			Mismatches: 5, Replayed: 6, Heartbeat: time.Unix(100, 0),
		}
	}))
	for name, want := range map[string]float64{
		"syncer_edge_state/halted":                1,
		"syncer_edge_state/in-sync":               0,
		"syncer_edge_applied_revision":            7,
		"syncer_edge_gaps_total":                  2,
		"syncer_edge_resyncs_total":               3,
		"syncer_edge_torn_revisions_total":        4,
		"syncer_edge_digest_mismatches_total":     5,
		"syncer_edge_replayed_messages_total":     6,
		"syncer_edge_heartbeat_timestamp_seconds": 100,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", name, v, ok, want)
		}
	}
}

func TestEdgeMetricsSayWhatWaitsForSomebody(t *testing.T) {
	got := scrape(t, Importer(func() status.Edge {
		return status.Edge{
			State: status.Paused, ParkedKeys: 31, LocalKeys: 3, Conflicts: map[string]int64{"update_dirty": 8, "group": 1},
			Parked: []status.Parked{{Why: status.MassDelete, Keys: 30}, {Why: status.MassDelete, Dropped: true}, {Why: status.TooLarge, Keys: 1}},
			Tasks:  []command.Task{{State: command.Waiting}, {State: command.Running}, {State: command.Done}, {State: command.Failed}},
		}
	}))
	for name, want := range map[string]float64{
		"syncer_edge_state/paused": 1, "syncer_edge_state/degraded": 0, "syncer_edge_paused": 1,
		"syncer_edge_parked_keys": 31, "syncer_edge_mass_delete_groups": 1, "syncer_edge_tasks": 2,
		"syncer_edge_local_keys": 3, "syncer_edge_conflicts_total/update_dirty": 8, "syncer_edge_conflicts_total/group": 1,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", name, v, ok, want)
		}
	}
}

func TestSpoolMetricsSayWhatTheStatusSays(t *testing.T) {
	got := scrape(t, Exporter(func() status.Exporter {
		return status.Exporter{Source: "cloud", Role: "standby", Channels: []status.Channel{{
			Name: "flags", Spool: &status.Spool{Bytes: 5, Revision: 6, Revisions: 7, Full: true},
		}}}
	}))
	for name, want := range map[string]float64{
		"syncer_spool_bytes":     5,
		"syncer_spool_revision":  6,
		"syncer_spool_revisions": 7,
		"syncer_spool_full":      1,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", name, v, ok, want)
		}
	}
	if v, ok := got["syncer_channel_revision"]; ok {
		t.Errorf("a channel that is not exported is said to be at revision %v", v)
	}
}

func TestExporterMetricsSayWhatTheStatusSays(t *testing.T) {
	got := scrape(t, Exporter(func() status.Exporter {
		return status.Exporter{Source: "cloud", Role: "active", Channels: []status.Channel{{Name: "flags", Revision: 9, Keys: 3, Resets: 2}}}
	}))
	for name, want := range map[string]float64{
		"syncer_exporter_active":        1,
		"syncer_channel_revision":       9,
		"syncer_channel_keys":           3,
		"syncer_channel_resets_total":   2,
		"syncer_channel_failing":        0,
		"syncer_exporter_refused_edges": 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", name, v, ok, want)
		}
	}
}

// A channel that never came up shows by nothing else.
func TestExporterMetricsSayWhatFails(t *testing.T) {
	got := scrape(t, Exporter(func() status.Exporter {
		return status.Exporter{
			Source: "cloud", Role: "active", Refusals: []status.Refusal{{Edge: "store-1"}, {Edge: "store-2"}},
			Channels: []status.Channel{{Name: "flags", Trouble: "the source refuses the exporter"}},
		}
	}))
	for name, want := range map[string]float64{"syncer_channel_failing": 1, "syncer_exporter_refused_edges": 2} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", name, v, ok, want)
		}
	}
}
