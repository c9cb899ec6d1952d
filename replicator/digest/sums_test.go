package digest

import (
	"encoding/binary"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"runtime"
	"testing"
)

func hashed(seed maphash.Seed, n uint64) uint64 {
	return maphash.Bytes(seed, binary.BigEndian.AppendUint64(nil, n))
}

func (s *sums) all() map[uint64]Sum {
	out := make(map[uint64]Sum)
	for _, bucket := range s.buckets {
		for _, e := range bucket {
			out[e.hash] = e.sum
		}
	}
	return out
}

// Over many splits, and back, sums hold what a map does.
func TestSumsAgainstMap(t *testing.T) {
	const keys, rounds = 20_000, 200_000
	s, m, seed := newSums(), map[uint64]Sum{}, maphash.MakeSeed()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range rounds {
		h := hashed(seed, random.Uint64N(keys))
		was, held := m[h]
		var old Sum
		var found bool
		// Mostly puts at first, mostly removals in the end.
		if random.IntN(rounds) > i {
			sum := Sum{byte(i), byte(i >> 8), byte(i >> 16)}
			old, found = s.put(h, sum)
			m[h] = sum
		} else {
			old, found = s.remove(h)
			delete(m, h)
		}
		if old != was || found != held || s.count != len(m) {
			t.Fatalf("step %d: found %v %x and holds %d, want %v %x and %d", i, found, old[:3], s.count, held, was[:3], len(m))
		}
		if i%20_000 == 0 && !maps.Equal(s.all(), m) {
			t.Fatalf("step %d: holds something else than the map", i)
		}
	}
	if !maps.Equal(s.all(), m) {
		t.Error("holds something else than the map in the end")
	}
}

// The edge's memory is made of this.
func TestSumsAreSmall(t *testing.T) {
	for _, keys := range []uint64{30_000, 40_000, 50_000, 60_000} {
		s, seed := newSums(), maphash.MakeSeed()
		before := liveBytes()
		for n := range keys {
			s.put(hashed(seed, n), Sum{})
		}
		if perKey := float64(liveBytes()-before) / float64(keys); perKey > 52 {
			t.Errorf("%d keys take %.1f bytes each, want at most 52", keys, perKey)
		}
		for n := range keys {
			s.remove(hashed(seed, n))
		}
		if left := liveBytes() - before; left > 8*int64(keys) {
			t.Errorf("%d keys leave %d bytes behind", keys, left)
		}
		runtime.KeepAlive(&s)
	}
}

func liveBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
