package strictyaml

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// find follows a path as far as it leads: to a value, and the node that names
// it.
func (d *Document) find(path []any) (n, label *yaml.Node, whole bool) {
	n, label = d.root, d.root
	for _, step := range path {
		next, name := child(n, step)
		if next == nil {
			return n, label, false
		}
		n, label = next, name
	}
	return n, label, n != nil
}

// spot is the node that messages about a path point at: a value that stands on
// one line, otherwise the name of the field.
func (d *Document) spot(path []any) *yaml.Node {
	n, label, whole := d.find(path)
	block := n.Kind != yaml.ScalarNode && n.Style&yaml.FlowStyle == 0
	if !whole || block || n.ShortTag() == nullTag {
		return label
	}
	return n
}

// child is the value of a field or an entry, and the node that names it.
func child(n *yaml.Node, step any) (value, label *yaml.Node) {
	switch s := step.(type) {
	case string:
		return field(n, s)
	case int:
		if n != nil && n.Kind == yaml.SequenceNode && s < len(n.Content) {
			return n.Content[s], n.Content[s]
		}
	}
	return nil, nil
}

// field is the value of a key and the key, or nil.
func field(n *yaml.Node, name string) (value, label *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Kind == yaml.ScalarNode && n.Content[i].Value == name {
			return n.Content[i+1], n.Content[i]
		}
	}
	return nil, nil
}

// pathKey joins a path so that the key of a field starts with the key of every
// field above it, and with no other.
func pathKey(path []any) string {
	var b strings.Builder
	for _, step := range path {
		b.WriteString(fmt.Sprint(step) + "\x00")
	}
	return b.String()
}

// pathText writes a path as rules[0].prefix.
func pathText(path []any) string {
	var b strings.Builder
	for _, step := range path {
		switch s := step.(type) {
		case int:
			b.WriteString("[" + strconv.Itoa(s) + "]")
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			fmt.Fprint(&b, s)
		}
	}
	return b.String()
}
