package target

import (
	"bytes"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/syncer-io/syncer/replicator/change"
)

// head is what is looked at often of an object that was applied.
type head struct {
	// Released: the key is the edge's own. Nothing else is set.
	Released bool `json:"released,omitempty"`

	Group      string `json:"group,omitempty"`
	Version    string `json:"version,omitempty"`
	Resource   string `json:"resource,omitempty"`
	Namespaced bool   `json:"namespaced,omitempty"`
	UID        string `json:"uid,omitempty"`
	// Seen is the newest resource version of the object that was looked at.
	Seen string `json:"seen,omitempty"`
	// Sum is that of the value that was applied.
	Sum []byte `json:"sum,omitempty"`
	// Edit is what somebody else did to it since.
	Edit *edit `json:"edit,omitempty"`
	// Leaving: we set out to delete it. When it is missing that was us.
	Leaving bool `json:"leaving,omitempty"`
}

type edit struct {
	Deleted  bool   `json:"deleted,omitempty"`
	Revision int64  `json:"revision"` // at or below which it was done
	By       string `json:"by,omitempty"`
}

func (h head) resource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: h.Group, Version: h.Version, Resource: h.Resource}
}

// body is the rest.
type body struct {
	// Applied is the value as it was delivered.
	Applied json.RawMessage `json:"applied"`
	// Shown is what the server showed of it then, when that is another: admission
	// changes values, and some have two spellings.
	Shown json.RawMessage `json:"shown,omitempty"`
	// Fields are those that we owned then.
	Fields json.RawMessage `json:"fields,omitempty"`
	// Edited is Applied with what others changed.
	Edited json.RawMessage `json:"edited,omitempty"`
}

// record is one object of the inventory.
type record struct {
	head
	body
}

func (h head) encode() ([]byte, error) {
	b, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode an object of the inventory: %w", err)
	}
	return b, nil
}

func decodeHead(b []byte) (h head, err error) {
	if err := json.Unmarshal(b, &h); err != nil {
		return head{}, fmt.Errorf("decode an object of the inventory: %w", err)
	}
	return h, nil
}

// encode compresses: names of fields repeat.
func (b body) encode() ([]byte, error) {
	raw, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encode an object of the inventory: %w", err)
	}
	return change.CompressQuick(raw)
}

func decodeBody(b []byte) (out body, err error) {
	raw, err := change.Decompress(b)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		return body{}, fmt.Errorf("decode an object of the inventory: %w", err)
	}
	return out, nil
}

// value is what the cluster has of a key, as the source would have it.
func (r record) value() (value []byte, present bool) {
	switch {
	case r.Released:
		return change.Released, true
	case r.Edit == nil:
		return r.Applied, true
	case r.Edit.Deleted:
		return nil, false
	default:
		return r.Edited, true
	}
}

func (b body) fields() (*fieldpath.Set, error) { return fieldSet(b.Fields) }

func fieldSet(raw []byte) (*fieldpath.Set, error) {
	set := &fieldpath.Set{}
	if len(raw) == 0 {
		return set, nil
	}
	if err := set.FromJSON(bytes.NewReader(raw)); err != nil {
		return nil, fmt.Errorf("read owned fields: %w", err)
	}
	return set, nil
}
