package change_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/syncer-io/syncer/replicator/change"
)

// benchSets is 256 revisions of one put each: JSON-like values of 1 KiB, of
// which half repeats.
func benchSets() []change.Changeset {
	random := rand.New(rand.NewPCG(1, 2))
	sets := make([]change.Changeset, 256)
	for i := range sets {
		value := make([]byte, 1024)
		for j := range value {
			value[j] = "abcdefghijklmnopqrstuvwxyz012345"[j%32]
			if j%2 == 0 {
				value[j] = byte('a' + random.IntN(26))
			}
		}
		sets[i] = change.Changeset{
			Revision: int64(i + 1_000_000),
			Changes:  []change.Change{{Op: change.Put, Key: fmt.Appendf(nil, "/flags/service-%04d", i), Value: value}},
		}
	}
	return sets
}

func BenchmarkEncodeChanges(b *testing.B) {
	sets := benchSets()
	b.SetBytes(int64(len(change.EncodeChanges(sets))))
	b.ReportAllocs()
	for b.Loop() {
		change.EncodeChanges(sets)
	}
}

func BenchmarkDecodeChanges(b *testing.B) {
	raw := change.EncodeChanges(benchSets())
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := change.DecodeChanges(raw); err != nil {
			b.Fatal(err)
		}
	}
}

// What the exporter does for one frame of 256 changesets.
func BenchmarkWriteFrame(b *testing.B) {
	sets := benchSets()
	b.SetBytes(int64(len(change.EncodeChanges(sets))))
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		size = len(benchFrame(b, sets))
	}
	b.ReportMetric(float64(size), "message-B")
}

// What the importer does for it.
func BenchmarkReadFrame(b *testing.B) {
	sets := benchSets()
	m := benchFrame(b, sets)
	b.SetBytes(int64(len(change.EncodeChanges(sets))))
	b.ReportAllocs()
	for b.Loop() {
		f, err := change.DecodeFrame(m)
		if err != nil {
			b.Fatal(err)
		}
		raw, err := change.Decompress(f.Body)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := change.DecodeChanges(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func benchFrame(b *testing.B, sets []change.Changeset) []byte {
	body, err := change.Compress(change.EncodeChanges(sets))
	if err != nil {
		b.Fatal(err)
	}
	return change.EncodeFrame(change.Frame{
		Kind: change.KindChanges, Channel: "flags", Lineage: change.Lineage{1}, Parts: 1,
		First: sets[0].Revision, Last: sets[len(sets)-1].Revision, Writer: "exporter-0", Body: body,
	})
}

// One source revision that deletes 20,000 keys out of order: the most that the
// check for repeated keys can cost.
func BenchmarkDecodeWideChangeset(b *testing.B) {
	set := change.Changeset{Revision: 1}
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(20_000) {
		set.Changes = append(set.Changes, change.Change{Op: change.Delete, Key: fmt.Appendf(nil, "/flags/service-%05d", i)})
	}
	raw := change.EncodeChanges([]change.Changeset{set})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := change.DecodeChanges(raw); err != nil {
			b.Fatal(err)
		}
	}
}
