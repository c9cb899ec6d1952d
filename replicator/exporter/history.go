package exporter

import (
	"context"
	"fmt"
	"hash/maphash"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/source"
)

// doubt is source keys that the index knows and the source did not list at a
// revision. An event up to there has to delete each of them.
type doubt struct {
	revision  int64
	processed int64
	keys      [][]byte
}

// sameHistory fails with *source.WentBack when the source does not hold what
// the index took from it. A source that was restored from a backup has the ids
// that it had, and may be further than it ever was; but below the revision
// that was taken, its keys have other revisions, or are other keys.
func (c *channel) sameHistory(ctx context.Context) error {
	seed, listed := maphash.MakeSeed(), make(map[uint64]struct{})
	d := doubt{processed: c.processed}
	for _, r := range c.selection.SourceRanges() {
		rev, err := c.source.Keys(ctx, r, func(items []source.Item) error {
			for _, it := range items {
				if !c.selection.Covers(it.Key) {
					continue
				}
				listed[maphash.Bytes(seed, it.Key)] = struct{}{}
				known, ok := c.known(it.Key)
				if it.ModRevision <= c.processed && (!ok || known != it.ModRevision) {
					return c.wentBack(it.ModRevision, it.Key)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		d.revision = max(d.revision, rev)
	}
	err := c.eachSource(change.Range{}, func(sourceKey []byte) error {
		if _, ok := listed[maphash.Bytes(seed, sourceKey)]; !ok {
			d.keys = append(d.keys, append([]byte(nil), sourceKey...))
		}
		return nil
	})
	c.doubt = d
	return err
}

// settleDoubt fails with *source.WentBack when a key is in the index although
// the source does not have it.
func (c *channel) settleDoubt() error {
	if c.doubt.revision == 0 || c.processed < c.doubt.revision {
		return nil
	}
	d := c.doubt
	c.doubt = doubt{}
	for _, key := range d.keys {
		if known, ok := c.there(key); ok && known <= d.processed {
			return c.wentBack(known, key)
		}
	}
	return nil
}

func (c *channel) wentBack(revision int64, key []byte) error {
	return &source.WentBack{Revision: c.newest, Was: c.processed, Why: fmt.Sprintf("revision %d of key %q is not in both histories", revision, key)}
}
