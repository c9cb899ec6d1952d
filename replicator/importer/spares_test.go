package importer

import (
	"context"
	"slices"
	"testing"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

// The memory of a chunk is used again when nothing refers to it, and only then.
func TestMemoryOfACleanChunkIsUsedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(a *applier)
		again   bool
	}{
		"all is written": {func(*applier) {}, true},
		"a value is not accepted here": {func(a *applier) {
			a.im.cfg.Accept.Prefixes = []string{"/apps/00"}
		}, false},
		"a value cannot be written": {func(a *applier) {
			a.target = &unwilling{Target: a.target, key: "/apps/01"}
		}, false},
		"a key waits already": {func(a *applier) {
			if _, err := a.guarded(t.Context(), deletes("/apps/", 15), nil); err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApplier(t)
			c.prepare(a)
			raw := bring(t, a, "/apps/00", "/apps/01")
			room := a.spares.take()
			if again := room != nil; again != c.again {
				t.Fatalf("the memory is used again: %v, want %v", again, c.again)
			}
			if c.again && &room[:1][0] != &raw[0] {
				t.Error("it is not that of the chunk")
			}
		})
	}
}

// unwilling is a target that does not take one key.
type unwilling struct {
	Target
	key string
}

func (r *unwilling) Replace(context.Context, target.Chunk) (target.Replaced, error) {
	return target.Replaced{}, target.ErrRefused
}

func (r *unwilling) Commit(ctx context.Context, tx target.Tx) (int64, error) {
	if slices.ContainsFunc(tx.Changes, func(c change.Change) bool { return string(c.Key) == r.key }) {
		return 0, target.ErrRefused
	}
	return r.Target.Commit(ctx, tx)
}

// bring has the applier take a chunk of the keys from first on, and gives the
// memory that it was in.
func bring(t *testing.T, a *applier, keys ...string) []byte {
	t.Helper()
	a.comparison.begin("test")
	a.comparison.compared = true
	a.comparison.left = []digest.Difference{{Range: change.Range{Lo: []byte("/flags/")}}} // it goes on
	want := change.Chunk{Range: change.Range{Lo: []byte(keys[0]), Hi: []byte(keys[len(keys)-1] + "\x00")}}
	for _, key := range keys {
		want.KVs = append(want.KVs, change.KV{Key: []byte(key), Value: []byte("new")})
	}
	a.comparison.out[keys[0]] = digest.Difference{Range: want.Range}
	raw := change.EncodeChunk(want)
	chunk, err := change.DecodeChunk(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.chunk(t.Context(), taken{Frame: change.Frame{Request: a.comparison.id}}, chunk, raw); err != nil {
		t.Fatal(err)
	}
	if err := a.writes.group.Wait(); err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestSparesAreFewAndSmall(t *testing.T) {
	var s spares
	s.give(make([]byte, maxSpare+1))
	if s.take() != nil {
		t.Error("a buffer is kept that is larger than any chunk")
	}
	for range 2 * mostSpares {
		s.give(make([]byte, 10))
	}
	if len(s.free) != mostSpares {
		t.Errorf("%d buffers are kept, want %d", len(s.free), mostSpares)
	}
	if b := s.take(); len(b) != 0 || cap(b) != 10 {
		t.Errorf("got a buffer of %d bytes with room for %d", len(b), cap(b))
	}
}
