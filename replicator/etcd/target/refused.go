package target

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sort"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// Refused is a change that the etcd does not take, however often it is tried,
// until somebody changes the value, the mapping or the etcd's configuration.
type Refused struct {
	Key []byte
	Why string // status.TooLarge, status.Forbidden or status.Invalid
	// Err is for people, with a remedy.
	Err error
	// Immutable: what stands there would have to be deleted first, and may be.
	Immutable bool
}

// Refused finds the changes that are refused for ever, each by itself; it is
// asked when Commit gave [*TooLarge] or [ErrForbidden]. They come in the order
// of their keys. It asks with transactions that never take effect, several at
// once, and may run beside a Commit.
//
// An error means that it is not known: the etcd did not answer, or the user
// may not write the cursor either, which no parking of a change would cure.
// Neither refusals nor an error mean that each change would be taken: the
// transaction is to be split, or what refused it is no longer so.
func (t *Target) Refused(ctx context.Context, changes []change.Change) ([]Refused, error) {
	out, rest := t.invalidOnes(changes)
	rest, err := t.ordered(rest)
	if err != nil {
		return nil, err
	}
	large, rest, err := t.largeOnes(ctx, rest)
	if err != nil {
		return nil, fmt.Errorf("find the changes that are too large: %w", err)
	}
	forbidden, err := t.forbiddenOnes(ctx, rest)
	if err != nil {
		return nil, fmt.Errorf("find the changes that are forbidden: %w", err)
	}
	out = slices.Concat(out, large, forbidden)
	slices.SortStableFunc(out, func(a, b Refused) int { return bytes.Compare(a.Key, b.Key) })
	return slices.CompactFunc(out, func(a, b Refused) bool { return bytes.Equal(a.Key, b.Key) }), nil
}

func (t *Target) invalidOnes(changes []change.Change) (invalid []Refused, rest []change.Change) {
	for _, c := range changes {
		if why := t.unfitFor(c.Key); why != "" {
			invalid = append(invalid, Refused{Key: c.Key, Why: status.Invalid, Err: fault.New(fault.Check, tryUnfit, "it cannot be kept: %s", why)})
			continue
		}
		if len(c.Key) != 0 {
			rest = append(rest, c)
			continue
		}
		invalid = append(invalid, Refused{Key: c.Key, Why: status.Invalid,
			Err: fault.New(fault.Check, "change the policy's mapping", "etcd takes no empty key")})
	}
	return invalid, rest
}

// largeOnes finds the changes that do not fit into a transaction with the
// cursor alone. The limit is the one that Commit keeps to, or the etcd's own
// when that is lower by now.
func (t *Target) largeOnes(ctx context.Context, changes []change.Change) (large []Refused, rest []change.Change, err error) {
	if t.single != nil {
		large, rest = t.largeSingle(changes)
		return large, rest, nil
	}
	frame := t.frame()
	var sizes []int // of those that may be too large for the etcd
	for _, c := range changes {
		if n := frame + t.written(c); n > byteSteps[0] && n <= t.limits.MaxBytes {
			sizes = append(sizes, n)
		}
	}
	limit, err := t.limitAmong(ctx, sizes)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range changes {
		if n := frame + t.written(c); n <= limit {
			rest = append(rest, c)
		} else {
			large = append(large, Refused{Key: c.Key, Why: status.TooLarge, Err: tooLargeFor(n, limit, 1)})
		}
	}
	return large, rest, nil
}

// frame is what a transaction of one change needs besides the change.
func (t *Target) frame() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.size(t.request(nil, nil, make([]byte, t.cursorSize())))
}

// limitAmong is the limit that we know, or one below the least of the sizes
// that the etcd does not take.
func (t *Target) limitAmong(ctx context.Context, sizes []int) (int, error) {
	if len(sizes) == 0 {
		return t.limits.MaxBytes, nil
	}
	slices.Sort(sizes)
	ok, err := t.accepts(ctx, t.bigRequest(sizes[len(sizes)-1]))
	if ok || err != nil {
		return t.limits.MaxBytes, err
	}
	least := sort.Search(len(sizes)-1, func(i int) bool {
		if err == nil {
			ok, err = t.accepts(ctx, t.bigRequest(sizes[i]))
		}
		return !ok
	})
	return sizes[least] - 1, err
}

// askAtOnce is how many questions are out at the same time.
const askAtOnce = 8

// forbiddenOnes finds the keys that the user may not write. etcd does not say
// which, so a part that it refuses is cut up and asked about again.
func (t *Target) forbiddenOnes(ctx context.Context, changes []change.Change) ([]Refused, error) {
	if len(changes) == 0 || t.single != nil { // which knows no users
		return nil, nil
	}
	cursor := []change.Change{{Op: change.Delete, Key: []byte(t.key.String())}}
	if no, err := t.refuses(ctx, cursor); err != nil {
		return nil, err
	} else if no {
		return nil, t.explain(rpctypes.ErrPermissionDenied, t.key.String())
	}
	var out []Refused
	of := map[string][]byte{} // whose marker a key is
	for _, c := range changes {
		of[string(t.marker(c.Key))] = c.Key
	}
	for parts := t.questions(t.withMarkers(changes)); len(parts) > 0; {
		refused, err := t.refusedParts(ctx, parts)
		if err != nil {
			return nil, err
		}
		parts = nil
		for _, p := range refused {
			if len(p) == 1 {
				r := Refused{Key: p[0].Key, Why: status.Forbidden,
					Err: t.explain(rpctypes.ErrPermissionDenied, string(p[0].Key))}
				if key, marker := of[string(r.Key)]; marker {
					r.Key = key
				}
				out = append(out, r)
				continue
			}
			parts = slices.AppendSeq(parts, slices.Chunk(p, (len(p)+askAtOnce-1)/askAtOnce))
		}
	}
	return out, nil
}

// questions cuts the changes, without their values, into parts that fit into
// one transaction each.
func (t *Target) questions(changes []change.Change) [][]change.Change {
	keys := make([]change.Change, len(changes))
	for i, c := range changes {
		keys[i] = change.Change{Op: change.Delete, Key: c.Key}
	}
	var out [][]change.Change
	for _, part := range split(keys, t.limits.MaxBytes/2, Size) {
		out = slices.AppendSeq(out, slices.Chunk(part, max(t.limits.MaxOps/2, 1)))
	}
	return out
}

// refusedParts are the parts with a key that the user may not write.
func (t *Target) refusedParts(ctx context.Context, parts [][]change.Change) ([][]change.Change, error) {
	refused := make([]bool, len(parts))
	asking, ctx := errgroup.WithContext(ctx)
	asking.SetLimit(askAtOnce)
	for i, p := range parts {
		asking.Go(func() (err error) {
			refused[i], err = t.refuses(ctx, p)
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	var out [][]change.Change
	for i, p := range parts {
		if refused[i] {
			out = append(out, p)
		}
	}
	return out, nil
}
