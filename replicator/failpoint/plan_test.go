package failpoint

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]plan{
		"":                           {},
		"exporter.watch.taken":       {WatchTaken, 1, kill, 0},
		"wal.commit.after:7":         {WalCommitAfter, 7, kill, 0},
		"any:3:kill":                 {anyName, 3, kill, 0},
		"target.txn.after:2:stop":    {TxnAfter, 2, stop, 0},
		"any:1:sleep=150ms":          {anyName, 1, sleep, 150 * time.Millisecond},
		"importer.attach.after:1000": {AttachAfter, 1000, kill, 0},
	} {
		if got, err := parse(text); err != nil || got != want {
			t.Errorf("parse(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"exporter.watch", ":1", "any:", "any:0", "any:-1", "any:x", "any:1:", "any:1:exit", "any:1:sleep", "any:1:sleep=1", "any:1:stop:2",
	} {
		if got, err := parse(text); err == nil {
			t.Errorf("parse(%q) = %+v, want an error", text, got)
		}
	}
}

func TestNoPlanMeetsNothing(t *testing.T) {
	for _, name := range append([]Name{"", anyName}, All...) {
		if (plan{}).meets(name) {
			t.Errorf("the zero plan meets %q", name)
		}
	}
}
