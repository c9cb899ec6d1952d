package digest_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/digest"
)

// model is a set of keys and values, and the digest by its definition.
type model map[string]string

func (m model) digest() (d digest.Digest) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		d.Add(digest.Item([]byte(key), []byte(m[key])))
	}
	return d
}

func TestTableAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, m := digest.NewTable(), model{}
		key := rapid.StringMatching(`[ab]{0,3}`)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, v := key.Draw(t, "key"), rapid.StringN(0, 3, -1).Draw(t, "value")
				_, want := m[k]
				put := func() bool { return table.Put([]byte(k), []byte(v)) }
				if rapid.Bool().Draw(t, "by its sum") {
					put = func() bool { return table.PutSum([]byte(k), digest.Item([]byte(k), []byte(v))) }
				}
				if had := put(); had != want {
					t.Fatalf("put of %q: there before: %t, want %t", k, had, want)
				}
				m[k] = v
			},
			"delete": func(t *rapid.T) {
				k := key.Draw(t, "key")
				_, want := m[k]
				if had := table.Delete([]byte(k)); had != want {
					t.Fatalf("delete of %q: there before: %t, want %t", k, had, want)
				}
				delete(m, k)
			},
			"": func(t *rapid.T) {
				if got, want := table.Digest(), m.digest(); got != want {
					t.Fatalf("digest of %d items is %x, want %x", len(m), got, want)
				}
			},
		})
	})
}

// Writers of the same keys at the same time leave the digest of what stands
// in the end, and every digest read meanwhile is that of some state.
func TestTableConcurrently(t *testing.T) {
	const writers, keys, rounds = 4, 50, 2000
	table := digest.NewTable()
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			for range rounds {
				key := fmt.Append(nil, random.IntN(keys))
				if random.IntN(3) == 0 {
					table.Delete(key)
				} else {
					table.Put(key, fmt.Append(nil, random.IntN(3)))
				}
				if n := table.Digest().Count; n > keys {
					t.Errorf("%d items of %d keys", n, keys)
				}
			}
		})
	}
	group.Wait()

	m := model{}
	for k := range keys {
		key := fmt.Sprint(k)
		if k%2 == 0 {
			table.Delete([]byte(key))
			continue
		}
		table.Put([]byte(key), []byte("end"))
		m[key] = "end"
	}
	if got, want := table.Digest(), m.digest(); got != want {
		t.Errorf("digest is %v of %d, want %v of %d", got, got.Count, want, want.Count)
	}
}
