package change_test

import (
	"reflect"

	"github.com/syncer-io/syncer/replicator/change"
)

// What each value is by frame.proto, written without the codec.

func frameObject(f change.Frame) object {
	o := object{
		"format": uint32(change.Format), "kind": int32(f.Kind), "channel": f.Channel, "lineage": f.Lineage[:],
		"prev": f.Prev, "first": f.First, "last": f.Last, "part": f.Part, "parts": f.Parts,
		"sent_unix_micro": f.Sent.UnixMicro(), "writer": f.Writer, "request": f.Request, "open": f.Open, "body": f.Body,
	}
	if f.PrevHash != (change.Hash{}) {
		o["prev_hash"] = f.PrevHash[:]
	}
	return o
}

func changesObject(sets []change.Changeset) object {
	var list []object
	for _, s := range sets {
		var changes []object
		for _, c := range s.Changes {
			changes = append(changes, object{"op": uint32(c.Op), "key": c.Key, "value": c.Value})
		}
		list = append(list, object{"revision": s.Revision, "partial": s.Partial, "changes": changes})
	}
	return object{"changesets": list}
}

func stateObject(s change.State) object {
	return object{
		"source_revision": s.SourceRevision, "count": s.Count, "sum": s.Sum[:], "bytes": s.Bytes,
		"policy": s.Policy, "reason": s.Reason, "refused": s.Refused,
	}
}

func pageObject(ranges []change.PageRange) object {
	var list []object
	for _, r := range ranges {
		list = append(list, object{"hi": r.Hi, "count": r.Count, "digest": r.Digest[:], "bytes": r.Bytes})
	}
	return object{"ranges": list}
}

func chunkObject(c change.Chunk) object {
	var list []object
	for _, kv := range c.KVs {
		list = append(list, object{"key": kv.Key, "value": kv.Value})
	}
	return object{"lo": c.Range.Lo, "hi": c.Range.Hi, "kvs": list, "sparse": c.Sparse, "gone": []byte(c.Gone)}
}

func findingObject(f change.Finding) object {
	var list []object
	for _, key := range f.Keys {
		list = append(list, object{"key": key})
	}
	return object{
		"lo": f.Range.Lo, "hi": f.Range.Hi, "count": f.Count, "put": f.Put, "bytes": f.Bytes,
		"keys": list, "gone": []byte(f.Gone), "key_prints": f.KeyPrints,
	}
}

func commandObject(json []byte) object { return object{"json": json} }

// withoutZeros leaves out what proto3 does not write.
func (o object) withoutZeros() object {
	out := object{}
	for name, v := range o {
		if list, ok := v.([]object); ok {
			v = eachWithoutZeros(list)
		}
		if r := reflect.ValueOf(v); r.IsZero() || r.Kind() == reflect.Slice && r.Len() == 0 {
			continue
		}
		out[name] = v
	}
	return out
}

func eachWithoutZeros(list []object) []object {
	var out []object
	for _, item := range list {
		out = append(out, item.withoutZeros())
	}
	return out
}

func equal(a, b object) bool { return reflect.DeepEqual(a, b) }
