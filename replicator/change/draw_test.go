package change_test

import (
	"bytes"
	"math"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/change"
)

// What follows draws values in the form that decoding gives: no empty slices
// beside nil ones, times in UTC and in microseconds.

var (
	drawBytes = rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 40), func(b []byte) []byte {
		if len(b) == 0 {
			return nil
		}
		return b
	})
	drawKey  = rapid.SliceOfN(rapid.SampledFrom([]byte{0, '/', 'a', 'b', 0xff}), 1, 5)
	drawHash = rapid.Custom(func(t *rapid.T) (h change.Hash) {
		if rapid.Bool().Draw(t, "chained") {
			fill(t, h[:])
		}
		return h
	})
)

func fill(t *rapid.T, b []byte) {
	copy(b, rapid.SliceOfN(rapid.Byte(), len(b), len(b)).Draw(t, "content"))
}

func drawFrame(t *rapid.T) change.Frame {
	f := change.Frame{
		Kind:     rapid.Custom(drawKind).Draw(t, "kind"),
		Channel:  rapid.StringN(1, 10, -1).Draw(t, "channel"),
		PrevHash: drawHash.Draw(t, "prev hash"),
		Parts:    rapid.Uint32Range(1, change.MaxParts).Draw(t, "parts"),
		Sent:     time.UnixMicro(rapid.Int64().Draw(t, "sent")).UTC(),
		Writer:   rapid.String().Draw(t, "writer"),
		Request:  rapid.String().Draw(t, "request"),
		Open:     rapid.Bool().Draw(t, "open"),
		Body:     drawBytes.Draw(t, "body"),
	}
	fill(t, f.Lineage[:])
	f.Lineage[0] |= 1
	f.Part = rapid.Uint32Range(0, f.Parts-1).Draw(t, "part")
	f.Prev = rapid.Int64Range(0, math.MaxInt64).Draw(t, "prev")
	f.Last = rapid.Int64Range(0, math.MaxInt64).Draw(t, "last")
	if f.Kind != change.KindReset {
		f.Last = max(f.Last, f.Prev)
	}
	f.First = rapid.Int64Range(0, f.Last).Draw(t, "first")
	return f
}

func drawKind(t *rapid.T) change.Kind {
	return change.Kind(rapid.Uint8Range(uint8(change.KindChanges), uint8(change.KindFinding)).Draw(t, "kind"))
}

func drawChangesets(t *rapid.T) []change.Changeset {
	sets := make([]change.Changeset, rapid.IntRange(1, 5).Draw(t, "changesets"))
	revision := int64(0)
	for i := range sets {
		if i == 0 || !sets[i-1].Partial {
			revision += rapid.Int64Range(1, math.MaxInt32).Draw(t, "revision")
		}
		sets[i] = change.Changeset{
			Revision: revision,
			Partial:  rapid.Bool().Draw(t, "partial"),
			Changes:  drawChanges(t),
		}
	}
	return sets
}

func drawChanges(t *rapid.T) []change.Change {
	var changes []change.Change
	for _, key := range drawKeys(t) {
		c := change.Change{Op: change.Delete, Key: key}
		if rapid.Bool().Draw(t, "put") {
			c.Op, c.Value = change.Put, drawBytes.Draw(t, "value")
		}
		changes = append(changes, c)
	}
	return changes
}

// drawKeys draws different keys, in no order.
func drawKeys(t *rapid.T) [][]byte {
	return rapid.SliceOfNDistinct(drawKey, 0, 6, func(k []byte) string { return string(k) }).Draw(t, "keys")
}

func drawState(t *rapid.T) change.State {
	s := change.State{
		SourceRevision: rapid.Int64Range(0, math.MaxInt64).Draw(t, "source revision"),
		Count:          rapid.Uint64().Draw(t, "count"),
		Bytes:          rapid.Uint64().Draw(t, "bytes"),
		Policy:         rapid.String().Draw(t, "policy"),
		Reason:         rapid.String().Draw(t, "reason"),
		Refused:        rapid.Uint64().Draw(t, "refused"),
	}
	if rapid.Bool().Draw(t, "some") {
		fill(t, s.Sum[:])
	}
	return s
}

func drawPage(t *rapid.T) []change.PageRange {
	ends := sortedKeys(t)
	ranges := make([]change.PageRange, len(ends)+1)
	for i := range ranges {
		if i < len(ends) {
			ranges[i].Hi = ends[i]
		}
		ranges[i].Count = rapid.Uint64().Draw(t, "count")
		ranges[i].Bytes = rapid.Uint64().Draw(t, "bytes")
		fill(t, ranges[i].Digest[:])
	}
	return ranges
}

func drawChunk(t *rapid.T) change.Chunk {
	c := change.Chunk{Range: drawRange(t)}
	for _, key := range sortedKeys(t) {
		if c.Range.Contains(key) {
			c.KVs = append(c.KVs, change.KV{Key: key, Value: drawBytes.Draw(t, "value")})
		}
	}
	if c.Sparse = rapid.Bool().Draw(t, "sparse"); c.Sparse {
		c.Gone = drawBytes.Draw(t, "gone")
	}
	return c
}

func drawFinding(t *rapid.T) change.Finding {
	f := change.Finding{Range: drawRange(t), Bytes: rapid.Uint64().Draw(t, "bytes"), Gone: drawBytes.Draw(t, "gone"), KeyPrints: drawBytes.Draw(t, "key prints")}
	for _, key := range sortedKeys(t) {
		if f.Range.Contains(key) {
			f.Keys = append(f.Keys, key)
		}
	}
	f.Put = rapid.Uint64Range(uint64(len(f.Keys)), math.MaxUint64).Draw(t, "put")
	f.Count = rapid.Uint64Range(f.Put, math.MaxUint64).Draw(t, "count")
	return f
}

func drawJSON(t *rapid.T) []byte { return drawKey.Draw(t, "json") }

func sortedKeys(t *rapid.T) [][]byte {
	keys := drawKeys(t)
	slices.SortFunc(keys, bytes.Compare)
	return keys
}

// drawRange draws ranges of every sort: whole, open on a side, inverted.
func drawRange(t *rapid.T) change.Range {
	end := rapid.OneOf(rapid.Just[[]byte](nil), drawKey)
	return change.Range{Lo: end.Draw(t, "lo"), Hi: end.Draw(t, "hi")}
}
