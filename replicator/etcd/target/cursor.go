package target

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

// Prefix is syncer's own at a target. It is never part of a selection.
const Prefix = "/syncer/"

// CursorFormat is the format that this version reads and writes.
const CursorFormat = 1

// CursorKey names the cursor of one channel.
type CursorKey struct {
	Source, Channel string
}

// String is the key in etcd.
func (k CursorKey) String() string { return Prefix + "cursor/" + k.Source + "/" + k.Channel }

// Cursor is how far a channel is applied at this target.
type Cursor struct {
	// Format, Source, Channel and Updated are filled in on every write, and
	// Owner when it is empty.
	Format  int    `json:"format"`
	Source  string `json:"source"`
	Channel string `json:"channel"`

	Lineage  change.Lineage `json:"lineage"`
	Revision int64          `json:"revision"`
	// Chain is the hash of the last frame that is applied completely.
	Chain Hash `json:"chain,omitempty"`
	// Seq is where that frame was in the stream: a hint, never trusted.
	Seq uint64 `json:"seq,omitempty"`
	// Consistent says that the selection equals the source's at Revision, but
	// for the keys that are parked.
	Consistent bool `json:"consistent"`
	// Parked is how many keys wait in parked groups.
	Parked int `json:"parked,omitempty"`
	// Torn is the source revision that is being applied in parts, or 0;
	// TornCount is how many ever were.
	Torn      int64 `json:"torn,omitempty"`
	TornCount int64 `json:"tornCount,omitempty"`
	// Seen is the revision of the target up to which what others wrote to the
	// selection was dealt with, 0 when that is not known: Watch goes on there.
	Seen int64 `json:"seen,omitempty"`
	// Ahead is the revision that some keys may already stand at, when it is
	// above Revision: a commit to a server that takes one key at a time has
	// begun, and was perhaps cut off.
	Ahead int64 `json:"ahead,omitempty"`
	// Owner is who claimed the cursor.
	Owner string `json:"owner,omitempty"`
	// Policy is the digest of the selection that Revision is about.
	Policy string `json:"policy,omitempty"`
	// Paused says that an operator stopped applying, until it is resumed. It
	// outlives a restart, and the loss of the data directory.
	Paused bool `json:"paused,omitempty"`
	// Holds are the delivered ranges that this channel has written to, in no
	// order. What lies in them and not in the selection any more is left over
	// from an earlier policy. They are written with every cursor: few, and never
	// one for each key.
	Holds []change.Range `json:"holds,omitempty"`
	// Keeps is the part of Holds whose keys stay at the target when the policy
	// selects them no more: a rule said so.
	Keeps []change.Range `json:"keeps,omitempty"`
	// Below is the --etcd-prefix below which the objects of Holds lie, of a
	// channel that writes them past their API server. It is filled in.
	Below   string    `json:"below,omitempty"`
	Updated time.Time `json:"updated"`
}

// Position is where the cursor stands.
func (c Cursor) Position() change.Position {
	return change.Position{Lineage: c.Lineage, Revision: c.Revision}
}

// Hash is bytes that people read as hexadecimal digits.
type Hash []byte

func (h Hash) String() string { return hex.EncodeToString(h) }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(b []byte) error {
	v, err := hex.DecodeString(string(b))
	if err != nil {
		return err
	}
	*h = v
	return nil
}

// record is the cursor as stored. Session and Write make every write unlike
// every other, also by a twin that has our name and our data: finding it in
// etcd proves that this very write took effect.
type record struct {
	Cursor
	Session string `json:"session,omitempty"`
	Write   uint64 `json:"write,omitempty"`
	// Writing tells what is being written, where that is not done together with
	// the cursor; see tokens.
	Writing []byte `json:"writing,omitempty"`
}

func (r record) encode() ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode the cursor of %s/%s: %w", r.Source, r.Channel, err)
	}
	return b, nil
}

// decodeRecord reads a stored cursor. A format of the future stops us: going
// on would mean to guess what was applied.
func decodeRecord(key CursorKey, raw []byte) (record, error) {
	var head struct {
		Format int `json:"format"`
	}
	var r record
	if err := json.Unmarshal(raw, &head); err != nil {
		return r, damaged(key, err)
	}
	if head.Format != CursorFormat {
		return r, fault.New(fault.Safety, "run the version of syncer that wrote it, or a later one",
			"the cursor %s has format %d, and this version knows only %d", key, head.Format, CursorFormat)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return record{}, damaged(key, err)
	}
	if r.Source != key.Source || r.Channel != key.Channel {
		return record{}, damaged(key, fmt.Errorf("it is about %s/%s", r.Source, r.Channel))
	}
	if r.Revision < 0 || r.Torn < 0 || r.TornCount < 0 || r.Ahead < 0 {
		return record{}, damaged(key, fmt.Errorf("a revision is negative"))
	}
	return r, nil
}

func damaged(key CursorKey, err error) error {
	return fault.New(fault.Safety, "if nobody can say why it was edited, delete the key: the channel is then compared and repaired",
		"the cursor %s is not readable: %w", key, err)
}

// state is the cursor key as it stands in etcd. The zero state is an absent
// key, whose mod revision etcd also gives as 0.
type state struct {
	at     int64 // the revision of the etcd at which it was read
	modRev int64
	raw    []byte
	rec    record
}

func (s state) found() bool { return s.modRev != 0 }

func (s state) holds(raw []byte) bool { return s.found() && bytes.Equal(s.raw, raw) }
