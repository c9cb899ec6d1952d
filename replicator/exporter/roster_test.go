package exporter

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

const ownStore = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: store}
spec:
  rules:
    - {name: store, prefix: "/stores/${edge.labels.store}/", to: /store/}
`

const everybody = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  rules:
    - {name: flags, prefix: /flags/}
`

func policiesOf(t *testing.T, texts ...string) *policies {
	t.Helper()
	var documents []jetstream.PolicyDocument
	for i, text := range texts {
		documents = append(documents, jetstream.PolicyDocument{File: fmt.Sprintf("%d.yaml", i), Text: text})
	}
	found, err := parse(documents, filter.DefaultCluster)
	if err != nil {
		t.Fatal(err)
	}
	var own []filter.Policy
	for _, f := range found {
		own = append(own, f.policy)
	}
	return gather(own, jetstream.Policies{}, filter.DefaultCluster)
}

func edgeWith(name, policy string, labels ...string) Edge {
	e := Edge{Edge: filter.Edge{Name: name, Labels: map[string]string{}}, Policy: policy}
	for i := 0; i+1 < len(labels); i += 2 {
		e.Labels[labels[i]] = labels[i+1]
	}
	return e
}

func TestEqualPoliciesShareAChannel(t *testing.T) {
	p := policiesOf(t, ownStore, everybody)
	edges := []Edge{
		edgeWith("c", "store", "store", "north"), edgeWith("a", "store", "store", "north", "more", "ignored"),
		edgeWith("b", "store", "store", "south"), edgeWith("d", "flags"), edgeWith("e", "flags", "store", "north"),
	}
	r := enlist(p, edges, roster{}, slog.New(slog.DiscardHandler))
	if len(r.lines) != 3 || r.places["a"].channel != r.places["c"].channel || r.places["a"].channel == r.places["b"].channel {
		t.Fatalf("the roster is %+v", r)
	}
	if name := r.places["a"].channel; name != "store-"+r.lines[name].selection.Digest()[:8] || r.lines[name].edge.Name != "a" {
		t.Errorf("the channel of a is %s, made for %s", name, r.lines[name].edge.Name)
	}
	if r.places["d"].channel != "flags" || r.places["e"].channel != "flags" {
		t.Errorf("flags goes to %+v and %+v", r.places["d"], r.places["e"])
	}
	again := enlist(p, edges, r, slog.New(slog.DiscardHandler))
	if !slices.Equal(slices.Sorted(maps.Keys(r.lines)), slices.Sorted(maps.Keys(again.lines))) || !again.fits(edges) {
		t.Errorf("with an older roster it is %+v", again)
	}
	if again.fits(edges[1:]) || again.fits(append(slices.Clone(edges[1:]), edgeWith("c", "store", "store", "south"))) {
		t.Error("it fits other edges")
	}
}

// Without edges, only policies that are the same for all have a channel.
func TestChannelsWithoutEdges(t *testing.T) {
	r := enlist(policiesOf(t, ownStore, everybody), nil, roster{}, slog.New(slog.DiscardHandler))
	if names := slices.Sorted(maps.Keys(r.lines)); !slices.Equal(names, []string{"flags"}) {
		t.Errorf("the channels are %v", names)
	}
}

func TestEdgeWithoutAChannelIsToldWhy(t *testing.T) {
	r := enlist(policiesOf(t, ownStore), []Edge{edgeWith("a", "store"), edgeWith("b", "gone"), edgeWith("c", "store", "store", "x")}, roster{}, slog.New(slog.DiscardHandler))
	for edge, want := range map[string][2]string{
		"a": {`edge a: edge a has no label "store" (0.yaml:6)`, "syncer pair create a --policy store --label NAME=VALUE --replace"},
		"b": {"no policy gone", "syncer policy apply"},
	} {
		at := r.places[edge]
		if at.refusal == nil || !strings.Contains(at.refusal.Error(), want[0]) || !strings.Contains(fault.Try(at.refusal), want[1]) {
			t.Errorf("%s: %v, try %s", edge, at.refusal, fault.Try(at.refusal))
		}
	}
	if r.places["c"].refusal != nil || len(r.refusals()) != 2 {
		t.Errorf("%+v", r.refusals())
	}
}

// Digests whose first digits are equal do not share a channel.
func TestNamesOfChannelsDoNotCollide(t *testing.T) {
	p := policiesOf(t, ownStore)
	r := enlist(p, []Edge{edgeWith("a", "store", "store", "x")}, roster{}, slog.New(slog.DiscardHandler))
	name := r.places["a"].channel
	taken := r.lines[name]
	taken.selection = enlist(policiesOf(t, everybody), nil, roster{}, slog.New(slog.DiscardHandler)).lines["flags"].selection
	other := roster{lines: map[string]line{name: taken}}
	got, err := other.join(p, p.all[0], edgeWith("a", "store", "store", "x"))
	if err != nil || got != "store-"+r.lines[name].selection.Digest()[:16] {
		t.Errorf("it is named %s, %v", got, err)
	}
}

func TestChannelsAreBounded(t *testing.T) {
	var edges []Edge
	for i := range MaxChannels + 1 {
		edges = append(edges, edgeWith(fmt.Sprintf("e%04d", i), "store", "store", fmt.Sprint(i)))
	}
	r := enlist(policiesOf(t, ownStore), edges, roster{}, slog.New(slog.DiscardHandler))
	last := r.places[edges[MaxChannels].Name]
	if len(r.lines) != MaxChannels || fault.ExitCode(last.refusal) != int(fault.Refused) || !strings.Contains(last.refusal.Error(), "e1000") {
		t.Errorf("%d channels, the last edge: %v", len(r.lines), last.refusal)
	}
}

// A process that starts without its hub knows the channels of the one before,
// and the policies that were applied to it.
func TestChannelsAreRecalled(t *testing.T) {
	dir, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	cfg := Config{DataDir: dir, Cluster: filter.DefaultCluster, Policies: policiesOf(t, everybody).all}
	applied := jetstream.Policies{Generation: 3, Items: []jetstream.AppliedPolicy{{Name: "store", File: "store.yaml", Text: ownStore}}}
	if err := writeCopy(dir, applied); err != nil {
		t.Fatal(err)
	}
	before := &term{Exporter: &Exporter{cfg: cfg, logger: quiet}}
	p := gather(cfg.Policies, applied, cfg.Cluster)
	r := enlist(p, []Edge{edgeWith("a", "store", "store", "x"), edgeWith("b", "store", "store", "x"), edgeWith("c", "store", "store", "y")}, roster{}, quiet)
	if err := before.keep(p, r); err != nil {
		t.Fatal(err)
	}
	k := recall(cfg, quiet)
	if got, want := slices.Sorted(maps.Keys(k.lines)), slices.Sorted(maps.Keys(r.lines)); !slices.Equal(got, want) || k.policies.applied.Generation != 3 {
		t.Errorf("it recalls %v of generation %d, want %v", got, k.policies.applied.Generation, want)
	}
	for _, file := range []string{copyFile, linesFile} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if k := recall(cfg, quiet); !slices.Equal(slices.Sorted(maps.Keys(k.lines)), []string{"flags"}) {
		t.Errorf("from damaged files it recalls %v", slices.Sorted(maps.Keys(k.lines)))
	}
}
