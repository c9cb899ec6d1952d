package digest_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
)

func rulesOf(prefixes ...string) []filter.RuleInfo {
	var rules []filter.RuleInfo
	for _, p := range prefixes {
		rules = append(rules, filter.RuleInfo{Name: p, Delivered: []change.Range{change.PrefixRange([]byte(p))}})
	}
	return rules
}

func TestTallyAgainstModel(t *testing.T) {
	prefixes := []string{"b", "a", "d"}
	rapid.Check(t, func(t *rapid.T) {
		table, tally, m := digest.NewTable(), digest.NewTally(rulesOf(prefixes...)), model{}
		key := rapid.StringMatching(`[abcd][xy]?`)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k := key.Draw(t, "key")
				tally.Put([]byte(k), table.Put([]byte(k), nil))
				m[k] = ""
			},
			"delete": func(t *rapid.T) {
				k := key.Draw(t, "key")
				tally.Delete([]byte(k), table.Delete([]byte(k)))
				delete(m, k)
			},
			"": func(t *rapid.T) {
				for rule, prefix := range prefixes {
					want := uint64(0)
					for k := range m {
						if strings.HasPrefix(k, prefix) {
							want++
						}
					}
					if got := tally.Held(rule); got != want {
						t.Fatalf("rule %s holds %d, want %d", prefix, got, want)
					}
				}
			},
		})
	})
}

func TestTallyOfNoRule(t *testing.T) {
	tally := digest.NewTally(rulesOf("a"))
	tally.Put([]byte("b"), false)
	tally.Delete([]byte("a"), true) // a delete that is counted before its put
	for _, rule := range []int{-1, 0, 1} {
		if n := tally.Held(rule); n != 0 {
			t.Errorf("rule %d holds %d", rule, n)
		}
	}
	tally.Put([]byte("a"), false)
	tally.Put([]byte("a/b"), false)
	if n := tally.Held(0); n != 1 {
		t.Errorf("holds %d, want 1", n)
	}
}

// Whatever the order in which writers of the same keys are counted, the end is
// what the table holds.
func TestTallyConcurrently(t *testing.T) {
	table, tally := digest.NewTable(), digest.NewTally(rulesOf("a/", "b/"))
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			for range 2000 {
				key := fmt.Appendf(nil, "%c/%d", 'a'+random.IntN(2), random.IntN(20))
				if random.IntN(2) == 0 {
					tally.Put(key, table.Put(key, key))
				} else {
					tally.Delete(key, table.Delete(key))
				}
			}
		})
	}
	group.Wait()
	if got, want := tally.Held(0)+tally.Held(1), table.Digest().Count; got != want {
		t.Errorf("rules hold %d keys, the table %d", got, want)
	}
}
