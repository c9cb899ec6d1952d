package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/etcd/source"
)

// still is a source that does not change.
type still struct {
	Source
	items   []source.Item
	compact int // scans that a compaction breaks

	told     bool     // by the channel's index,
	released []string // that these keys are released
}

func (s *still) Current(context.Context) (int64, error) { return 7, nil }

func (s *still) ScanAt(_ context.Context, r change.Range, rev int64, fn func([]source.Item) error) error {
	for _, it := range s.items {
		if r.Contains(it.Key) {
			if err := fn([]source.Item{it}); err != nil {
				return err
			}
		}
	}
	if s.compact > 0 {
		s.compact--
		return &source.Compacted{Revision: rev}
	}
	return nil
}

func rules(text string) string {
	return "apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: store}\nspec:\n  rules:\n" + text
}

// weighs plans a change of the policy for edges.
func weighs(t *testing.T, src *still, before, after string, edges ...Edge) command.PlannedPolicy {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	now := enlist(policiesOf(t, before), edges, roster{}, quiet)
	s := newScale(now, enlist(policiesOf(t, after), edges, roster{}, quiet), []string{"store"}, "")
	s.progress = func(uint64) {}
	for _, p := range s.pans {
		if src.told {
			p.kept.tell(src.released)
		}
	}
	if _, err := s.weigh(t.Context(), func(*filter.Selection) (Source, error) { return src, nil }); err != nil {
		t.Fatal(err)
	}
	return s.plan("store", command.PolicyChanged)
}

func (s *still) with(prefix string, n int) {
	for i := range n {
		s.items = append(s.items, source.Item{Key: fmt.Appendf(nil, "%s%03d", prefix, i), Value: []byte("v"), ModRevision: 1})
	}
}

// line is a rule of a plan in one line.
func planned(p command.PlannedPolicy) string {
	var out []string
	for _, r := range p.Rules {
		out = append(out, fmt.Sprintf("%s held %d enter %d change %d move %d leave %d orphan %d refuse %d bytes %d",
			r.Name, r.Held, r.Enter.Count, r.Change.Count, r.Move.Count, r.Leave.Count, r.Orphan.Count, r.Refuse.Count, r.Bytes))
	}
	for _, s := range p.Stops {
		out = append(out, fmt.Sprintf("stop %s %d of %d at %s", s.Rule, s.Deletes, s.Held, strings.Join(s.Edges, ",")))
	}
	return strings.Join(out, "\n")
}

func TestPlan(t *testing.T) {
	for name, c := range map[string]struct {
		before, after, want string
		affected            int
	}{
		"nothing": {
			"    - {name: a, prefix: /a/}\n", "    - {name: renamed, prefix: /a/}\n",
			"renamed held 0 enter 0 change 0 move 0 leave 0 orphan 0 refuse 0 bytes 0", 0,
		},
		"enter": {
			"    - {name: a, prefix: /a/}\n", "    - {name: a, prefix: /a/}\n    - {name: b, prefix: /b/}\n",
			"a held 40 enter 0 change 0 move 0 leave 0 orphan 0 refuse 0 bytes 0\n" +
				"b held 0 enter 8 change 0 move 0 leave 0 orphan 0 refuse 0 bytes 56", 2,
		},
		"leave few": {
			"    - {name: a, prefix: /a/}\n    - {name: b, prefix: /b/}\n", "    - {name: a, prefix: /a/}\n",
			"a held 40 enter 0 change 0 move 0 leave 0 orphan 0 refuse 0 bytes 0\n" +
				"(no longer in the policy) held 8 enter 0 change 0 move 0 leave 8 orphan 0 refuse 0 bytes 0", 2,
		},
		"leave many": {
			"    - {name: a, prefix: /a/}\n    - {name: b, prefix: /b/}\n", "    - {name: b, prefix: /b/}\n",
			"b held 8 enter 0 change 0 move 0 leave 0 orphan 0 refuse 0 bytes 0\n" +
				"(no longer in the policy) held 40 enter 0 change 0 move 0 leave 40 orphan 0 refuse 0 bytes 0\n" +
				"stop (no longer in the policy) 40 of 40 at x,y", 2,
		},
		"move": {
			"    - {name: a, prefix: /a/}\n", "    - {name: a, prefix: /a/, to: /else/}\n",
			"a held 0 enter 0 change 0 move 40 leave 0 orphan 0 refuse 0 bytes 400\n" +
				"(no longer in the policy) held 40 enter 0 change 0 move 0 leave 0 orphan 0 refuse 0 bytes 0\n" +
				"stop (no longer in the policy) 40 of 40 at x,y", 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			src := &still{compact: scanTries - 1} // what a broken scan counted is forgotten
			src.with("/a/", 40)
			src.with("/b/", 8)
			p := weighs(t, src, rules(c.before), rules(c.after), edgeWith("x", "store"), edgeWith("y", "store"), edgeWith("z", "other"))
			if got := planned(p); got != c.want || p.Affected != c.affected || p.Of != 2 {
				t.Errorf("%d of %d edges\n--- got\n%s\n--- want\n%s", p.Affected, p.Of, got, c.want)
			}
		})
	}
}

// Edges of one policy are weighed apart, and counted together.
func TestPlanPerEdge(t *testing.T) {
	src := &still{}
	src.with("/s/x/", 30)
	src.with("/s/y/", 5)
	src.with("/s/x/new/", 2)
	before := rules("    - {name: s, prefix: \"/s/${edge.labels.of}/\", to: /s/}\n")
	after := rules("    - {name: s, prefix: \"/s/${edge.labels.of}/new/\", to: /s/new/}\n")
	p := weighs(t, src, before, after, edgeWith("a", "store", "of", "x"), edgeWith("b", "store", "of", "x"), edgeWith("c", "store", "of", "y"), edgeWith("d", "store"))
	want := "s held 2 enter 0 change 0 move 0 leave 0 orphan 0 refuse 0 bytes 0\n" +
		"(no longer in the policy) held 35 enter 0 change 0 move 0 leave 35 orphan 0 refuse 0 bytes 0\n" +
		"stop (no longer in the policy) 30 of 30 at a,b"
	if got := planned(p); got != want || p.Affected != 3 || p.Of != 4 || p.Channels != 2 || p.Refused != 1 || p.CutOff != 0 {
		t.Errorf("%+v\n--- got\n%s\n--- want\n%s", p, got, want)
	}
	after = rules("    - {name: s, prefix: \"/s/${edge.labels.other}/\", to: /s/}\n")
	if p := weighs(t, src, before, after, edgeWith("a", "store", "of", "x")); p.CutOff != 1 || len(p.Refusals) != 1 {
		t.Errorf("an edge that loses its channel: %+v", p)
	}
}

// A source that compacts all the time ends the plan.
func TestPlanOverACompactingSource(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	edges := []Edge{edgeWith("x", "store")}
	s := newScale(roster{}, enlist(policiesOf(t, ownStore, everybody), edges, roster{}, quiet), []string{"flags"}, "")
	s.progress = func(uint64) {}
	if _, err := s.weigh(t.Context(), func(*filter.Selection) (Source, error) { return &still{compact: scanTries}, nil }); err == nil || !strings.Contains(err.Error(), "compacted 3 times") {
		t.Errorf("the plan ended with %v", err)
	}
}

func (s *still) object(name, label string) {
	s.items = append(s.items, source.Item{
		Key:   []byte("/registry/configmaps/shop/" + name),
		Value: fmt.Appendf(nil, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":%q,"namespace":"shop","labels":{"sync":%q}},"data":{"a":"b"}}`, name, label),
	})
}

// Objects enter and leave by what they are, are changed on the way, and are
// counted when they cannot be read.
func TestPlanOfObjects(t *testing.T) {
	src := &still{told: true}
	src.object("a", "true")
	src.object("b", "true")
	src.object("c", "also")
	src.object("d", "no")
	src.items = append(src.items, source.Item{Key: []byte("/registry/configmaps/shop/e"), Value: []byte("k8s:enc:aescbc:v1:key1:xxxx")})
	before := rules("    - {name: shop, resources: [configmaps], namespaces: [shop], labels: sync=true}\n")
	for after, want := range map[string]string{
		"labels: 'sync in (true, also)'":                           "held 2 enter 1 change 0 move 0 leave 0 orphan 0 refuse 1",
		"labels: sync=also":                                        "held 2 enter 1 change 0 move 0 leave 2 orphan 0 refuse 1",
		"labels: sync=also, onLeave: orphan":                       "held 2 enter 1 change 0 move 0 leave 0 orphan 2 refuse 1",
		"labels: sync=true, names: [a]":                            "held 2 enter 0 change 0 move 0 leave 1 orphan 0 refuse 0",
		"labels: sync=true, transform: [{setFields: {data.a: c}}]": "held 2 enter 0 change 2 move 0 leave 0 orphan 0 refuse 1",
	} {
		p := weighs(t, src, before, rules("    - {name: shop, resources: [configmaps], namespaces: [shop], "+after+"}\n"), edgeWith("x", "store"))
		if got := planned(p); !strings.HasPrefix(got, "shop "+want+" ") {
			t.Errorf("%s\n--- got\n%s\n--- want\nshop %s", after, got, want)
		}
		if r := p.Rules[0]; r.Refuse.Count > 0 && (len(r.Reasons) != 1 || !strings.Contains(r.Reasons[0], "encrypted")) {
			t.Errorf("%s: refused because of %q", after, r.Reasons)
		}
	}
}

// Edges hold what was left to them, too: what was released because its rule
// leaves orphans, or because it could not be read.
func TestPlanOfReleasedKeys(t *testing.T) {
	const head = "    - {name: shop, resources: [configmaps], namespaces: [shop], "
	key := func(name string) string { return "/kubernetes/configmaps/shop/" + name }
	labelled := func(src *still) {
		for i := range 40 {
			src.object(fmt.Sprintf("o%02d", i), "no")
			src.released = append(src.released, key(fmt.Sprintf("o%02d", i)))
		}
	}
	encrypted := func(src *still) {
		for i := range 40 {
			name := fmt.Sprintf("e%02d", i)
			src.items = append(src.items, source.Item{Key: []byte("/registry/configmaps/shop/" + name), Value: []byte("k8s:enc:aescbc:v1:key1:xxxx")})
			src.released = append(src.released, key(name))
		}
	}
	for name, c := range map[string]struct {
		fill                func(*still)
		before, after, want string
		onlyIndex           bool // can tell
	}{
		"orphans of a rule that deletes": {
			labelled, head + "labels: sync=true, onLeave: orphan}\n", head + "labels: sync=true}\n",
			"shop held 40 enter 0 change 0 move 0 leave 40 orphan 0 refuse 0 bytes 0\nstop shop 40 of 40 at x", false,
		},
		"orphans stay orphans": {
			labelled, head + "labels: sync=true, onLeave: orphan}\n", head + "labels: sync=also, onLeave: orphan}\n",
			"shop held 40 enter 0 change 0 move 0 leave 0 orphan 0 refuse 0 bytes 0", false,
		},
		"orphans enter": {
			labelled, head + "labels: sync=true, onLeave: orphan}\n", head + "labels: sync=no}\n",
			"shop held 40 enter 40 change 0 move 0 leave 0 orphan 0 refuse 0 bytes 6160", false,
		},
		"orphans of a rule that is dropped": {
			labelled, head + "labels: sync=true, onLeave: orphan}\n", "    - {name: b, prefix: /b/}\n",
			"b held 0 enter 0 change 0 move 0 leave 0 orphan 0 refuse 0 bytes 0\n" +
				"(no longer in the policy) held 40 enter 0 change 0 move 0 leave 0 orphan 40 refuse 0 bytes 0", false,
		},
		"only those that were released": {
			func(src *still) { labelled(src); src.released = src.released[:3] }, head + "labels: sync=true, onLeave: orphan}\n", head + "labels: sync=true}\n",
			"shop held 3 enter 0 change 0 move 0 leave 3 orphan 0 refuse 0 bytes 0", true,
		},
		"orphans that the source deleted": {
			func(src *still) { labelled(src); src.items = nil }, head + "labels: sync=true, onLeave: orphan}\n", head + "labels: sync=also, onLeave: orphan}\n",
			"shop held 40 enter 0 change 0 move 0 leave 40 orphan 0 refuse 0 bytes 0\nstop shop 40 of 40 at x", true,
		},
		"unreadable ones that the rule names no more": {
			encrypted, head + "labels: sync=true}\n", head + "labels: sync=true, names: [app]}\n",
			"shop held 40 enter 0 change 0 move 0 leave 40 orphan 0 refuse 0 bytes 0\nstop shop 40 of 40 at x", false,
		},
		"unreadable ones that stay so": {
			encrypted, head + "labels: sync=true}\n", head + "labels: sync=also}\n",
			"shop held 40 enter 0 change 0 move 0 leave 0 orphan 0 refuse 40 bytes 0", false,
		},
		"unreadable ones of a rule that is dropped": {
			encrypted, head + "labels: sync=true}\n", "    - {name: b, prefix: /b/}\n",
			"b held 0 enter 0 change 0 move 0 leave 0 orphan 0 refuse 0 bytes 0\n" +
				"(no longer in the policy) held 40 enter 0 change 0 move 0 leave 0 orphan 40 refuse 0 bytes 0", false,
		},
	} {
		for _, told := range []bool{true, false} {
			if c.onlyIndex && !told {
				continue
			}
			src := &still{told: told, compact: scanTries - 1}
			c.fill(src)
			if got := planned(weighs(t, src, rules(c.before), rules(c.after), edgeWith("x", "store"))); got != c.want {
				t.Errorf("%s, told by the index: %v\n--- got\n%s\n--- want\n%s", name, told, got, c.want)
			}
		}
	}
}

// What a dropped rule with onLeave: orphan delivered stays at edges, and so it
// does when it moves.
func TestPlanOfADroppedRuleThatLeavesOrphans(t *testing.T) {
	src := &still{told: true}
	src.with("/a/", 40)
	before := rules("    - {name: a, prefix: /a/, onLeave: orphan}\n")
	for after, want := range map[string]string{
		"    - {name: b, prefix: /b/}\n": "b held 0 enter 0 change 0 move 0 leave 0 orphan 0 refuse 0 bytes 0\n" +
			"(no longer in the policy) held 40 enter 0 change 0 move 0 leave 0 orphan 40 refuse 0 bytes 0",
		"    - {name: a, prefix: /a/, to: /else/}\n": "a held 0 enter 40 change 0 move 0 leave 0 orphan 0 refuse 0 bytes 400\n" +
			"(no longer in the policy) held 40 enter 0 change 0 move 0 leave 0 orphan 40 refuse 0 bytes 0",
	} {
		if got := planned(weighs(t, src, before, rules(after), edgeWith("x", "store"))); got != want {
			t.Errorf("--- got\n%s\n--- want\n%s", got, want)
		}
	}
}
