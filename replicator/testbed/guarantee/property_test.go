package guarantee

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/testbed/history"
)

// drawSource draws a history over a few keys inside and outside the selection.
func drawSource(t *rapid.T) history.History {
	h := history.History{Base: 1}
	content := map[string]string{}
	for revision := range int64(rapid.IntRange(1, 30).Draw(t, "revisions")) {
		rev := history.Rev{Revision: revision + 2}
		keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"/f/a", "/f/b", "/f/c", "/f/d", "/f/x/a", "/o/a"}), 1, 4, rapid.ID).Draw(t, "keys")
		for _, key := range keys {
			e := history.Event{Key: key, Value: rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "value")}
			if _, there := content[key]; there && rapid.Bool().Draw(t, "delete") {
				e = history.Event{Key: key, Delete: true}
			}
			e.Apply(content)
			rev.Events = append(rev.Events, e)
		}
		h.Revs = append(h.Revs, rev)
	}
	return h
}

// replicate is a replica that keeps every promise: it applies one to five source
// revisions at a time, folded, together with the cursor.
func replicate(t *rapid.T, source history.History) history.History {
	target := history.History{Base: 1, Content: map[string]string{"/foreign": "1"}}
	content := map[string]string{}
	for rest := source.Revs; len(rest) > 0; {
		n := min(len(rest), rapid.IntRange(1, 5).Draw(t, "folded"))
		last := rest[n-1].Revision
		rev := history.Rev{Revision: target.Last() + 1}
		for _, e := range fold(rest[:n]) {
			if _, there := content[e.Key]; e.Delete && !there {
				continue // etcd makes no event of it
			}
			e.Apply(content)
			rev.Events = append(rev.Events, e)
		}
		rev.Events = append(rev.Events, history.Event{Key: cursorKey, Value: fmt.Sprint(last)})
		target.Revs = append(target.Revs, rev)
		rest = rest[n:]
	}
	return target
}

// fold keeps the last change of each delivered key.
func fold(revs []history.Rev) []history.Event {
	var out []history.Event
	for _, rev := range revs {
		for _, e := range rev.Events {
			delivered, ok := testRules.Map(e.Key)
			if !ok {
				continue
			}
			out = slices.DeleteFunc(out, func(o history.Event) bool { return o.Key == delivered })
			e.Key = delivered
			out = append(out, e)
		}
	}
	return out
}

func drawCase(t *rapid.T) Case {
	source := drawSource(t)
	return Case{
		Source: source, Target: replicate(t, source),
		CursorKey: cursorKey, Decode: decode, Selection: testRules,
	}
}

func TestAPerfectReplicaPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := Check(drawCase(t)); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAnySingleLieIsFound changes one thing that a perfect replica wrote.
func TestAnySingleLieIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCase(t)
		rev := &c.Target.Revs[rapid.IntRange(0, len(c.Target.Revs)-1).Draw(t, "revision")]
		i := rapid.IntRange(0, len(rev.Events)-1).Draw(t, "event")
		e := &rev.Events[i]
		switch {
		case e.Key == cursorKey:
			e.Value = fmt.Sprint(c.Source.Last() + 1)
		case rapid.Bool().Draw(t, "another key"):
			e.Key = "/elsewhere"
		default:
			*e = history.Event{Key: e.Key, Value: "a value that the source never had"}
		}
		if Check(c) == nil {
			t.Fatalf("nothing found in %+v", rev)
		}
	})
}

// TestALongHistoryIsCheckedInOnePass keeps the validators incremental: with a
// comparison of everything at every revision this takes hours.
func TestALongHistoryIsCheckedInOnePass(t *testing.T) {
	const keys, revisions = 20_000, 20_000
	c := Case{CursorKey: cursorKey, Decode: decode, Selection: testRules}
	c.Source = history.History{Base: 1, Content: map[string]string{}}
	c.Target = history.History{Base: 1, Content: map[string]string{cursorKey: "1"}}
	for i := range keys {
		c.Source.Content[fmt.Sprintf("/f/%d", i)] = "0"
		c.Target.Content[fmt.Sprintf("/t/%d", i)] = "0"
	}
	for i := range revisions {
		revision := int64(i + 2)
		c.Source.Revs = append(c.Source.Revs, history.Rev{Revision: revision, Events: []history.Event{
			{Key: fmt.Sprintf("/f/%d", i%keys), Value: "1"}}})
		c.Target.Revs = append(c.Target.Revs, history.Rev{Revision: revision, Events: []history.Event{
			{Key: fmt.Sprintf("/t/%d", i%keys), Value: "1"}, {Key: cursorKey, Value: fmt.Sprint(revision)}}})
	}
	if err := Check(c); err != nil {
		t.Fatal(err)
	}
}
