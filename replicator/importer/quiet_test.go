package importer

import (
	"testing"
	"time"
)

func TestAskingInVainBecomesRare(t *testing.T) {
	var q quiet
	want := func(beat time.Duration, waits ...time.Duration) {
		t.Helper()
		q.heard()
		for i, wait := range waits {
			q.attached()
			if got := q.patience(beat); got != wait {
				t.Errorf("session %d in a row waits %v, want %v", i+1, got, wait)
			}
		}
		q.heard()
		if got := q.patience(beat); got != waits[0] {
			t.Errorf("whoever heard something waits %v, want %v", got, waits[0])
		}
	}
	const s = time.Second
	want(2*s, 8*s, 16*s, 32*s, 60*s, 60*s)
	want(s/10, 2*s, 4*s, 8*s, 16*s, 32*s, 60*s, 60*s)
	want(30*s, 120*s, 120*s)
}
