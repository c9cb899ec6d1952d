package object

import (
	"encoding/json"
)

// asked tells fields that somebody asked for from those that the API server
// decided: the server notes the former only, in managedFields.
type asked struct {
	everything bool
	trees      []map[string]any // of the managers that are not about status
}

// askedFor reads who set what. What no API server has stored yet, and so has no
// UID, was asked for as a whole.
func askedFor(metadata map[string]any) (a asked) {
	if uid, _ := metadata["uid"].(string); uid == "" {
		return asked{everything: true}
	}
	entries, _ := metadata["managedFields"].([]any)
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		tree, ok := entry["fieldsV1"].(map[string]any)
		if subresource, _ := entry["subresource"].(string); ok && subresource == "" {
			a.trees = append(a.trees, tree)
		}
	}
	return a
}

// has reports whether somebody asked for the field at the path: "f:spec",
// "f:clusterIP".
func (a asked) has(path ...string) bool {
	if a.everything {
		return true
	}
	for _, tree := range a.trees {
		if _, ok := descend(tree, path); ok {
			return true
		}
	}
	return false
}

// hasInItem is has for a field of the list item with these key fields.
func (a asked) hasInItem(list []string, item map[string]any, field string) bool {
	if a.everything {
		return true
	}
	for _, tree := range a.trees {
		items, _ := descend(tree, list)
		for name, fields := range items {
			below, _ := fields.(map[string]any)
			if _, ok := below[field]; ok && isKeyOf(name, item) {
				return true
			}
		}
	}
	return false
}

func descend(tree map[string]any, path []string) (map[string]any, bool) {
	for _, name := range path {
		next, ok := tree[name].(map[string]any)
		if !ok {
			return nil, false
		}
		tree = next
	}
	return tree, true
}

// isKeyOf compares a name like k:{"port":80,"protocol":"TCP"} with an item.
func isKeyOf(name string, item map[string]any) bool {
	if len(name) < 2 || name[:2] != "k:" {
		return false
	}
	var key map[string]any
	if err := json.Unmarshal([]byte(name[2:]), &key); err != nil {
		return false
	}
	for field, want := range key {
		if !sameScalar(want, item[field]) {
			return false
		}
	}
	return true
}

func sameScalar(a, b any) bool {
	if n, ok := b.(int64); ok {
		b = float64(n)
	}
	return a == b
}
