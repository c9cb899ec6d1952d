package exporter

import (
	"encoding/binary"
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/source"
)

// spoolFormat is the version of a spool record. A record of any other is not
// read: the spool is dropped, and keys are compared instead.
const spoolFormat = 1

// recordBytes is how much of the source's history one record holds, before
// compression. Only a revision that is larger by itself exceeds it.
const recordBytes = 1 << 20

// spoolRecord is a piece of the source's history: every selected change of the
// revisions in (after, resolved], by source keys. It carries what it takes to
// tell whether it belongs to a checkpoint.
//
// Format 1, numbers as unsigned varints:
//
//	format u8 | lineage 10 bytes | length of policy | policy | after | resolved | count | body
//
// The body is a compressed body of a KindChanges frame, or nothing when there
// was no change. A revision that is too
// large for one record ends it as a partial changeset and goes on in the next
// one; resolved then is below it.
type spoolRecord struct {
	lineage  change.Lineage
	policy   string // digest of the channel's policy
	after    int64  // where the record before ends, or the checkpoint stood
	resolved int64
	count    uint64 // revisions in the spool, up to the end of this record
	body     []byte
}

// maxPolicy bounds the policy digest that a record may name.
const maxPolicy = 256

func (r spoolRecord) encode() []byte {
	b := make([]byte, 0, 64+len(r.policy)+len(r.body))
	b = append(b, spoolFormat)
	b = append(b, r.lineage[:]...)
	b = binary.AppendUvarint(b, uint64(len(r.policy)))
	b = append(b, r.policy...)
	b = binary.AppendUvarint(b, uint64(r.after))
	b = binary.AppendUvarint(b, uint64(r.resolved))
	b = binary.AppendUvarint(b, r.count)
	return append(b, r.body...)
}

// decodeSpoolRecord reads the header of a record; the body shares memory with
// b. Errors are change.ErrMalformed.
func decodeSpoolRecord(b []byte) (spoolRecord, error) {
	var r spoolRecord
	if len(b) < 1+len(r.lineage) || b[0] != spoolFormat {
		return r, fmt.Errorf("%w: not a spool record of format %d", change.ErrMalformed, spoolFormat)
	}
	in := fields{rest: b[1+copy(r.lineage[:], b[1:]):]}
	r.policy = string(in.take(in.number(maxPolicy)))
	r.after = int64(in.number(1<<63 - 1))
	r.resolved = int64(in.number(1<<63 - 1))
	r.count = in.number(1<<64 - 1)
	r.body = in.rest
	if in.bad || r.lineage.IsZero() || r.resolved < r.after {
		return spoolRecord{}, fmt.Errorf("%w: spool record of revisions %d to %d", change.ErrMalformed, r.after, r.resolved)
	}
	return r, nil
}

// fields reads the numbers of a header; what is not there reads as zero and
// sets bad.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) number(most uint64) uint64 {
	v, n := binary.Uvarint(f.rest)
	if n <= 0 || v > most || n > 1 && f.rest[n-1] == 0 { // one form for each number
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

func (f *fields) take(n uint64) []byte {
	if n > uint64(len(f.rest)) {
		f.bad, f.rest = true, nil
		return nil
	}
	taken := f.rest[:n]
	f.rest = f.rest[n:]
	return taken
}

// changesets reads the body of a record.
func (r spoolRecord) changesets() ([]change.Changeset, error) {
	if len(r.body) == 0 {
		return nil, nil
	}
	raw, err := change.Decompress(r.body)
	if err != nil {
		return nil, err
	}
	sets, err := change.DecodeChanges(raw)
	if err != nil {
		return nil, err
	}
	for _, s := range sets {
		if s.Revision <= r.after || !s.Partial && s.Revision > r.resolved {
			return nil, fmt.Errorf("%w: revision %d in a spool record of (%d, %d]", change.ErrMalformed, s.Revision, r.after, r.resolved)
		}
	}
	return sets, nil
}

// records cuts a batch into records that follow r, of which only the header
// counts.
func (r spoolRecord) records(sets []change.Changeset, resolved int64) ([]spoolRecord, error) {
	var out []spoolRecord
	for {
		n, size, whole := 0, 0, uint64(0)
		for n < len(sets) && (n == 0 || size+sets[n].Size() <= recordBytes) {
			size += sets[n].Size()
			if !sets[n].Partial {
				whole++
			}
			n++
		}
		next := spoolRecord{lineage: r.lineage, policy: r.policy, after: r.resolved, resolved: resolved, count: r.count + whole}
		if n < len(sets) {
			next.resolved = max(r.resolved, sets[n].Revision-1)
		}
		if n > 0 {
			body, err := change.Compress(change.EncodeChanges(sets[:n]))
			if err != nil {
				return nil, err
			}
			next.body = body
		}
		if out = append(out, next); n == len(sets) {
			return out, nil
		}
		sets, r = sets[n:], next
	}
}

// changesetOf is a revision as it is spooled: with source keys, and in parts
// when it is large.
func changesetOf(r source.Revision) []change.Changeset {
	s := change.Changeset{Revision: r.Revision, Changes: make([]change.Change, len(r.Events))}
	for i, e := range r.Events {
		s.Changes[i] = change.Change{Op: e.Op, Key: e.Key, Value: e.Value}
	}
	return split(s)
}

// unspool undoes changesetOf: it appends the events of a changeset, and
// reports whether the revision is whole now.
func unspool(r *source.Revision, s change.Changeset) (whole bool) {
	r.Revision = s.Revision
	for _, c := range s.Changes {
		r.Events = append(r.Events, source.Event{Op: c.Op, Key: c.Key, Value: c.Value, ModRevision: s.Revision})
	}
	return !s.Partial
}
