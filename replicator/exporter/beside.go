package exporter

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
)

// Beside the keys of the channel the index knows the source keys that rules
// are about and that do not cross, because of what they hold: with their mod
// revisions, so that a listing without values tells what it knows already.

// setBeside notes a source key that is not selected.
func (x *index) setBeside(sourceKey []byte, modRevision int64) error {
	if err := x.dropBeside(sourceKey); err != nil {
		return err
	}
	return x.note(bucketBeside, sourceKey, modRevision, "")
}

// setRefused notes a source key that holds what cannot be read, and why.
func (x *index) setRefused(sourceKey []byte, modRevision int64, reason string) error {
	if err := x.dropBeside(sourceKey); err != nil {
		return err
	}
	x.refused++
	return x.note(bucketRefused, sourceKey, modRevision, reason)
}

// noneBeside reports whether every key that rules are about crosses.
func (x *index) noneBeside() bool {
	for _, name := range [][]byte{bucketBeside, bucketRefused} {
		if k, _ := x.tx.Bucket(name).Cursor().First(); k != nil {
			return false
		}
	}
	return true
}

func (x *index) note(bucket, sourceKey []byte, modRevision int64, reason string) error {
	raw := append(binary.BigEndian.AppendUint64(nil, uint64(modRevision)), reason...)
	if err := x.tx.Bucket(bucket).Put(sourceKey, raw); err != nil {
		return fmt.Errorf("index source key %q: %w", sourceKey, err)
	}
	x.dirty++
	x.anyBeside = true
	return nil
}

// dropBeside forgets a source key that crosses now, or is gone.
func (x *index) dropBeside(sourceKey []byte) error {
	if !x.anyBeside {
		return nil
	}
	for _, name := range [][]byte{bucketBeside, bucketRefused} {
		b := x.tx.Bucket(name)
		if b.Get(sourceKey) == nil {
			continue
		}
		if err := b.Delete(sourceKey); err != nil {
			return fmt.Errorf("remove source key %q from the index: %w", sourceKey, err)
		}
		x.dirty++
		if bytes.Equal(name, bucketRefused) {
			x.refused--
		}
	}
	return nil
}

// beside is the mod revision of a source key that does not cross.
func (x *index) beside(sourceKey []byte) (int64, bool) {
	if !x.anyBeside {
		return 0, false
	}
	for _, name := range [][]byte{bucketBeside, bucketRefused} {
		if raw := x.tx.Bucket(name).Get(sourceKey); raw != nil {
			return int64(binary.BigEndian.Uint64(raw)), true
		}
	}
	return 0, false
}

// eachBeside calls fn for the source keys of a range that do not cross. fn must
// not write.
func (x *index) eachBeside(r change.Range, fn func(sourceKey []byte) error) error {
	for _, name := range [][]byte{bucketBeside, bucketRefused} {
		c := x.tx.Bucket(name).Cursor()
		for k, _ := c.Seek(r.Lo); k != nil && r.Contains(k); k, _ = c.Next() {
			if err := fn(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// firstRefused are some of the source keys that cannot be read, with reasons.
func (x *index) firstRefused(most int) (keys, reasons []string) {
	c := x.tx.Bucket(bucketRefused).Cursor()
	for k, raw := c.First(); k != nil && len(keys) < most; k, raw = c.Next() {
		keys, reasons = append(keys, string(k)), append(reasons, string(raw[8:]))
	}
	return keys, reasons
}
