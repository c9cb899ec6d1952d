package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// What an edge missed without a history costs what differs: only the keys that
// differ are written, and only the ranges that hold them cross the link.
func TestFewAndManyDifferences(t *testing.T) {
	t.Parallel()
	const keys, size = 20_000, 100
	s, tr, d := runningSite(t, withLinks)
	all := s.fill("/apps/bulk/", keys, size)
	s.settle()
	for _, n := range []int{1, 100, 2000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			d.stopImporter()
			rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			for i, key := range all[:n] {
				s.put(key, fmt.Sprintf("%d of %d differ %s", i, n, noise(size/2)))
			}
			s.exporterHas(s.sourceRevision())
			if err := s.stream().Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
			tr.catchUp(tr.target().recorder)
			seen := len(tr.target().recorder.History().Revs)
			_, before := s.edgeLink.Passed()
			d.stopImporter = s.startImporter()
			s.settle()
			_, after := s.edgeLink.Passed()
			tr.catchUp(tr.target().recorder)
			written := 0
			for _, rev := range tr.target().recorder.History().Revs[seen:] {
				for _, e := range rev.Events {
					if rules.Owns(e.Key) {
						written++
					}
				}
			}
			t.Logf("%d differences: %d keys written, %d KiB on the link", n, written, (after-before)>>10)
			if written != n {
				t.Errorf("%d keys differ, %d were written", n, written)
			}
			// A range holds at most 64 keys; the page, heartbeats and everything
			// else take less than 150 KiB.
			if most := int64(150<<10 + min(n*64, keys)*2*size); after-before > most {
				t.Errorf("%d bytes crossed the link, at most %d", after-before, most)
			}
		})
	}
	s.check(tr)
}
