package target

import (
	"context"
	"errors"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

// Again tries parked changes again whose values were kept when the server refused
// them. It is asked for the newest state of each: a value that is not the one
// that the source has counts as unknown. Errors are those of Commit, but for
// [*target.Rejected].
func (t *Target) Again(ctx context.Context, keys []target.ParkedKey) (target.Again, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out target.Again
	var changes []change.Change
	for _, k := range keys {
		c := change.Change{Op: change.Delete, Key: k.Key}
		if k.Put {
			value, err := t.inventory.kept(k.Key)
			if err != nil {
				return out, err
			}
			if value == nil || digest.Item(k.Key, value) != k.Sum {
				out.Unknown = append(out.Unknown, k.Key)
				continue
			}
			c.Op, c.Value = change.Put, value
		}
		changes = append(changes, c)
	}
	changes, err := t.ordered(changes)
	if err != nil {
		return out, err
	}
	_, err = t.write(ctx, changes, nil)
	var no *target.Rejected
	if err != nil && !errors.As(err, &no) {
		return out, err
	}
	still := map[string]bool{}
	if no != nil {
		out.Refused = no.Refused
		for _, r := range no.Refused {
			still[string(r.Key)] = true
		}
	}
	for _, c := range changes {
		if !still[string(c.Key)] {
			out.Taken = append(out.Taken, c.Key)
		}
	}
	return out, nil
}
