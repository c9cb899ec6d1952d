package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

func keyValues(pairs ...string) []*mvccpb.KeyValue {
	var out []*mvccpb.KeyValue
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, &mvccpb.KeyValue{Key: []byte(pairs[i]), Value: []byte(pairs[i+1])})
	}
	return out
}

func TestWrongComparesBothSides(t *testing.T) {
	w := wrong{}
	w.compare(keyValues("a", "1", "b", "2", "d", "4"), keyValues("a", "1", "b", "old", "c", "3"))
	want := wrong{"b": "2", "c": "", "d": "4"}
	if len(w) != len(want) || w["b"] != "2" || w["d"] != "4" {
		t.Errorf("wrong are %v, want %v", w, want)
	}
	if value, ok := w["c"]; !ok || value != "" {
		t.Errorf("the key that should be gone is not among %v", w)
	}
	if w.gone() != 1 {
		t.Errorf("%d keys should be gone, want 1", w.gone())
	}
}

// A tool that replays history passes through values that are not the last, and
// one that never deletes is done when its puts are.
func TestRightingEndsWithTheLastKey(t *testing.T) {
	w := wrong{"a": "2", "b": "2", "gone": ""}
	replay, copying := w.righting(true), w.righting(false)
	for _, step := range []struct {
		key, value             string
		replayDone, copyIsDone bool
	}{
		{"a", "2", false, false},
		{"b", "2", false, true},
		{"a", "1", false, false}, // an older value again
		{"other", "x", false, false},
		{"a", "1", false, false},
		{"a", "2", false, true},
		{"a", "2", false, true},
		{"gone", "", true, true},
	} {
		replay.saw(step.key, step.value)
		copying.saw(step.key, step.value)
		if replay.done() != step.replayDone || copying.done() != step.copyIsDone {
			t.Errorf("after %s=%q: done %v with deletes and %v without, want %v and %v",
				step.key, step.value, replay.done(), copying.done(), step.replayDone, step.copyIsDone)
		}
	}
}

func TestUnlikeValuesShareNothing(t *testing.T) {
	w := wrong{}
	for n := range 2000 {
		w[keyOf(n)] = unlike(lagWriter, n)
	}
	if writer, number, err := parseValue([]byte(w[keyOf(7)])); err != nil || writer != lagWriter || number != 7 {
		t.Errorf("it reads as writer %d, number %d, %v", writer, number, err)
	}
	raw, small, err := w.smallest()
	if err != nil || raw != 2000*(valueBytes+len(keyOf(0))) {
		t.Fatalf("%d bytes, %v", raw, err)
	}
	if share := float64(small) / float64(raw); share < 0.35 || share > 0.6 {
		t.Errorf("they compress to %.2f of their size, want about half", share)
	}
}

func TestObjectsAreAsLargeAsOtherValues(t *testing.T) {
	for n := range 2000 {
		v := []byte(object(lagWriter, n))
		if _, number, err := parseValue(v); err != nil || number != n || !json.Valid(v) {
			t.Fatalf("object %d reads as %d, %v: %s", n, number, err, v)
		}
	}
}

func TestLossBoundsTCP(t *testing.T) {
	if got := farAway.lossBound(); got < 25e3 || got > 26e3 {
		t.Errorf("300 ms and 5 %% carry %.0f bytes/s, want about 25,600", got)
	}
}

func TestSizesAndDurations(t *testing.T) {
	for v, want := range map[float64]string{12: "12 B", 1536: "1.5 KiB", 2 << 20: "2.00 MiB", 200 << 20: "200 MiB"} {
		if got := sized(v); got != want {
			t.Errorf("%.0f bytes are shown as %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{3: "3.00 s", 90: "90.0 s", 4000: "67 min"} {
		if got := duration(v); got != want {
			t.Errorf("%.0f s are shown as %q, want %q", v, got, want)
		}
	}
	if got := lastLine("a\nError: compacted\n"); got != "Error: compacted" {
		t.Errorf("the last line is %q", got)
	}
}

// measuredOutage are results as a run gives them.
func measuredOutage() *results {
	back := func(c comeback, history string, took, down float64, wrong float64) *comeback {
		out := c.over(badLink{}, history)
		out.took, out.down, out.up, out.wrong = series{took}, series{down}, series{1 << 10}, series{wrong}
		out.missing, out.raw, out.smallest = 5500, 5<<20, 2<<20
		return out
	}
	stopped := mirrorRev().over(badLink{}, historyGone)
	stopped.stopped, stopped.missing = "Error: required revision has been compacted", 5500
	r := &results{date: time.Unix(0, 0), missed: &missed{size: outageSize{20_000, 100_000, 5_000, 500}, near: []*comeback{
		back(syncerStarts(), historyKept, 1.25, 1<<20, 0),
		back(syncerStarts(), historyGone, 1.75, 3<<20, 0),
		back(syncerReconnects(), historyGone, 2.5, 1<<20, 0),
		stopped,
		back(mirrorFull(), historyGone, 41, 20<<20, 500),
	}}}
	r.missed.far = []*comeback{back(syncerStarts(), historyGone, 4, 1<<20, 0)}
	r.options.differing.keys = 100_000
	r.differing = []*comeback{back(syncerStarts(), historyGone, 1, 50<<10, 0)}
	return r
}

func TestPageShowsAnOutage(t *testing.T) {
	page, err := measuredOutage().page()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"An edge with 20,000 keys is in sync and goes away. It misses 100,000 revisions on 5,000 of its keys and 500 deletes of others",
		"| kept | syncer, the importer starts | 1.25 s | 1.00 MiB | 1.0 KiB | 0 | – |",
		"| gone | make-mirror --rev | stops with an error | – | – | 5,500 | – |",
		"| gone | make-mirror, everything again | 41.0 s, but for deletes | 20.00 MiB | 1.0 KiB | 500 | – |",
		"it ends with `Error: required revision has been compacted`",
		"| gone | syncer, the importer starts | 4.00 s | 1.00 MiB | 1.0 KiB | 0 | 41.0 s |",
		"The keys and values that were wrong are 5.00 MiB",
		"An edge of 100,000 keys whose history is gone",
		"| 5,500 | syncer, the importer starts | 1.00 s | 50.0 KiB | 1.0 KiB | 2.00 MiB | 0 | – |",
		"| back after 100,000 missed revisions, history kept, within 1.50 s | 1.25 s | met |",
		"| back after 100,000 missed revisions, history kept, within 2.00 MiB on the link | 1.00 MiB | met |",
		"| back after 100,000 missed revisions, history gone, within 1.50 s | 1.75 s | **not met** |",
		"| back after 100,000 missed revisions, history gone, within 2.00 MiB on the link | 3.00 MiB | **not met** |",
		"| back after any outage, no key wrong in any round | 0 | met |",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(string(page))
	}
}

func TestPageLeavesOutWhatWasNotMeasured(t *testing.T) {
	page, err := (&results{}).page()
	if err != nil {
		t.Fatal(err)
	}
	for _, not := range []string{"Back from an outage", "Few differences", "back after"} {
		if strings.Contains(string(page), not) {
			t.Errorf("the page speaks of %q", not)
		}
	}
}

// One wrong key in one round is one too many, whatever the median.
func TestReachTakesTheWorstRound(t *testing.T) {
	r := measuredOutage()
	r.missed.far[0].wrong = series{0, 0, 3}
	if got := (view{r}).Reach(); !strings.Contains(got, "no key wrong in any round | 3 | **not met** |") {
		t.Errorf("the targets are shown as\n%s", got)
	}
}
