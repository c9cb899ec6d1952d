package command

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/conflict/ledger"
)

// Query selects conflicts on record, newest first. The zero value selects the
// newest of all.
type Query struct {
	// Record is the ID of the only one, which is told with its values.
	Record uint64 `json:"record,omitempty"`
	// Values has values told; it needs a Limit of 1.
	Values bool `json:"values,omitempty"`

	Key    []byte `json:"key,omitempty"` // exactly this one
	Prefix []byte `json:"prefix,omitempty"`
	Type   string `json:"type,omitempty"`
	Open   bool   `json:"open,omitempty"` // only those that somebody has to decide
	// Ignored has changes of nothing but ignored fields told, too.
	Ignored bool `json:"ignored,omitempty"`

	Since  time.Time `json:"since,omitzero"`
	Before uint64    `json:"before,omitempty"` // an ID: only older ones
	Limit  int       `json:"limit,omitempty"`  // 0: MaxConflicts
}

// MaxConflicts bounds the conflicts of one answer.
const MaxConflicts = 100

func (q Query) check() error {
	switch {
	case len(q.Key) > maxPrefix || len(q.Prefix) > maxPrefix:
		return fmt.Errorf("a key or prefix of %d bytes, at most %d", max(len(q.Key), len(q.Prefix)), maxPrefix)
	case len(q.Type) > maxID:
		return fmt.Errorf("a type of %d bytes", len(q.Type))
	case q.Limit < 0 || q.Limit > MaxConflicts:
		return fmt.Errorf("%d conflicts at once, at most %d", q.Limit, MaxConflicts)
	case q.Values && q.Limit != 1:
		return fmt.Errorf("values of %d conflicts, at most of 1", q.Limit)
	}
	return nil
}

// Ledger is what keeps conflicts on record. Both methods may be called at any
// time.
type Ledger interface {
	// List are the records that the filter selects, newest first.
	List(ledger.Filter) ([]ledger.Record, error)
	// Get is one record; ledger.ErrNotFound is in the chain when there is none.
	Get(id uint64) (ledger.Record, error)
}

// Find carries out a query. Values of Secrets are left out of what it gives.
// ledger.ErrNotFound is in the chain when a record that is asked for by its ID
// is not there.
func (q Query) Find(l Ledger) (found []ledger.Record, more bool, err error) {
	if q.Record > 0 {
		r, err := l.Get(q.Record)
		if err != nil {
			return nil, false, err
		}
		return []ledger.Record{withoutSecrets(r)}, false, nil
	}
	limit := q.Limit
	if limit == 0 {
		limit = MaxConflicts
	}
	found, err = l.List(ledger.Filter{
		Key: q.Key, Prefix: q.Prefix, Type: conflict.Type(q.Type), Open: q.Open, Loud: !q.Ignored, Since: q.Since, Before: q.Before,
		Limit: limit + 1, // one more tells whether there are others
		Bare:  !q.Values,
	})
	if err != nil {
		return nil, false, err
	}
	if more = len(found) > limit; more {
		found = found[:limit]
	}
	for i := range found {
		found[i] = withoutSecrets(found[i])
	}
	return found, more, nil
}

// withoutSecrets leaves the values of a Secret out: they have their hash. What
// may be one is taken for one.
func withoutSecrets(r ledger.Record) ledger.Record {
	secret := bytes.Contains(r.Key, []byte("/secrets/"))
	for _, v := range []ledger.Value{r.Base, r.Edge, r.Source} {
		secret = secret || maybeSecret(v.Bytes)
	}
	if !secret {
		return r
	}
	for _, v := range []*ledger.Value{&r.Base, &r.Edge, &r.Source} {
		v.Truncated = v.Truncated || len(v.Bytes) > 0
		v.Bytes = nil
	}
	return r
}

// storedPrefix is what API servers begin binary objects with.
var storedPrefix = []byte("k8s")

func maybeSecret(value []byte) bool {
	var object struct {
		Kind string `json:"kind"`
	}
	switch {
	case bytes.HasPrefix(value, storedPrefix):
		return true
	case !bytes.Contains(value, []byte("kind")) && !bytes.Contains(value, []byte(`\u`)):
		return false
	case json.Unmarshal(value, &object) != nil: // a part of it, for one
		return bytes.Contains(value, []byte("Secret")) || bytes.Contains(value, []byte(`\u`))
	default:
		return object.Kind == "Secret"
	}
}

// maxToldValue bounds the bytes of a value in a report.
const maxToldValue = 8 << 10

// Tell is what a report tells of conflicts: values are cut, for the hub takes no
// long reports.
func Tell(found []ledger.Record) []ledger.Record {
	out := make([]ledger.Record, len(found))
	for i, r := range found {
		for _, v := range []*ledger.Value{&r.Base, &r.Edge, &r.Source} {
			if len(v.Bytes) > maxToldValue {
				v.Bytes, v.Truncated = v.Bytes[:maxToldValue], true
			}
		}
		out[i] = r
	}
	return out
}

// ToldSize is about what a record takes in a report.
func ToldSize(r ledger.Record) int {
	const fixed = 600
	size := fixed + len(r.Rule) + len(r.Reason) + len(r.By)
	for _, b := range [][]byte{r.Key, r.Base.Bytes, r.Edge.Bytes, r.Source.Bytes} {
		size += base64.StdEncoding.EncodedLen(len(b))
	}
	for _, name := range r.Fields {
		size += len(name) + len(`"",`)
	}
	for _, name := range r.Kept {
		size += len(name) + len(`"",`)
	}
	return size
}

// Fewer leaves out the older half of the records; of one record, its values and
// what is said about it; then the record.
func Fewer(records []ledger.Record) []ledger.Record {
	if len(records) != 1 {
		return records[:len(records)/2]
	}
	r := records[0]
	values := []*ledger.Value{&r.Base, &r.Edge, &r.Source}
	told := len(r.Fields) + len(r.Kept) + len(r.Reason)
	for _, v := range values {
		told += len(v.Bytes)
	}
	if told == 0 {
		return nil
	}
	for _, v := range values {
		v.Truncated = v.Truncated || len(v.Bytes) > 0
		v.Bytes = nil
	}
	r.Fields, r.Kept, r.Reason = nil, nil, ""
	return []ledger.Record{r}
}
