package raw

import (
	"bytes"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
)

// Mark is the annotation of an object that was written past the API server. Its
// value names the channel and the object itself, so that a copy of the object
// under another name, by whomever, is not taken for ours.
const Mark = "syncer.io/raw"

func (t *Target) mark(delivered []byte) string {
	return t.key.Source + "/" + t.key.Channel + ":" + string(delivered)
}

// shown is a stored object as it is delivered.
type shown struct {
	value []byte // canonical JSON of the intent
	ours  bool   // it carries our mark
}

// show reads what is stored under the key of an object. An object of ours that
// cannot be read is shown as it is stored, which differs from every intent; one
// of others is an error.
func (t *Target) show(k object.Key, delivered, stored []byte) (shown, error) {
	if change.IsReleased(stored) {
		return shown{value: stored, ours: true}, nil
	}
	o, err := object.Decode(k, stored)
	if err != nil {
		if bytes.Contains(stored, []byte(t.mark(delivered))) {
			return shown{value: stored, ours: true}, nil
		}
		return shown{}, err
	}
	intent := o.Intent()
	ours := unmark(intent) == t.mark(delivered)
	value, err := object.Canonical(intent)
	return shown{value: value, ours: ours}, err
}

// mayBeOurs is quick, and wrong for objects of others that mention the mark only.
func mayBeOurs(stored []byte) bool {
	return change.IsReleased(stored) || bytes.Contains(stored, []byte(Mark))
}

// unmark takes the mark off an object and gives its value.
func unmark(fields map[string]any) string {
	metadata, _ := fields["metadata"].(map[string]any)
	notes, _ := metadata["annotations"].(map[string]any)
	value, ok := notes[Mark].(string)
	if ok {
		delete(notes, Mark)
	}
	if ok && len(notes) == 0 {
		delete(metadata, "annotations")
	}
	return value
}

func setMark(metadata map[string]any, value string) {
	notes, ok := metadata["annotations"].(map[string]any)
	if !ok {
		notes = map[string]any{}
		metadata["annotations"] = notes
	}
	notes[Mark] = value
}
