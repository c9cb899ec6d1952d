package strictyaml

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// member is a field of a struct as a YAML file sees it.
type member struct {
	name     string
	index    int
	required bool
	item     string
}

func members(t reflect.Type) []member {
	var out []member
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		out = append(out, member{
			name:     name,
			index:    i,
			required: options == "required",
			item:     t.Field(i).Tag.Get("item"),
		})
	}
	return out
}

func names(ms []member) []string {
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = m.name
	}
	return out
}

// structure fills a struct from a mapping.
func (a at) structure(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		a.problemf("", "%s must be a mapping, not %s", a.subject(), describe(n))
		return
	}
	ms := members(v.Type())
	seen := map[string]bool{}
	a.pairs(n, func(key, value *yaml.Node) {
		i := slices.IndexFunc(ms, func(m member) bool { return m.name == key.Value })
		if i < 0 {
			a.unknown(n, key, names(ms))
			return
		}
		seen[key.Value] = true
		a.step(key.Value, a.below(key.Value)).value(value, v.Field(ms[i].index), ms[i].item)
	})
	for _, m := range ms {
		if m.required && !seen[m.name] {
			a.step(m.name, "").problemf("", "missing field %q%s", m.name, a.in())
		}
	}
}

// pairs visits the keys and values of a mapping, except the keys that are
// refused for themselves.
func (a at) pairs(n *yaml.Node, visit func(key, value *yaml.Node)) {
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch line, double := first[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			a.refuse(key, "", "the name of a field must be text, not "+describe(key))
		case double:
			a.refuse(key, "remove one of them", "duplicate field "+quote(key.Value)+a.in()+", first set on line "+itoa(line))
		default:
			first[key.Value] = key.Line
			visit(key, value)
		}
	}
}

// unknown refuses a field that the struct does not have. The one that was
// probably meant is then not also reported as missing, unless it is there too.
func (a at) unknown(n, key *yaml.Node, known []string) {
	if key.ShortTag() == mergeTag {
		a.refuse(key, "write the fields out", "merge keys (<<) are not read here")
		return
	}
	hint, guess := suggest(key.Value, known)
	a.refuse(key, hint, "unknown field "+quote(key.Value)+a.in())
	if present, _ := field(n, guess); guess != "" && present == nil {
		a.spoil(guess)
	}
}

// spoil keeps a field from being reported again.
func (a at) spoil(name string) {
	a.doc.refused = append(a.doc.refused, pathKey(append(slices.Clip(a.path), name)))
}

// refuse reports a key of the mapping at this place.
func (a at) refuse(key *yaml.Node, hint, message string) {
	d := a.doc
	a.spoil(key.Value)
	p := Problem{File: d.file, Line: max(1, key.Line), Column: max(1, key.Column), Message: message, Hint: hint}
	if !secretName.MatchString(key.Value) {
		p.Excerpt = d.lines.excerpt(p.Line, p.Column)
	}
	d.report.Add(p)
}

// secretName matches fields whose line must not end in a log.
var secretName = regexp.MustCompile(`(?i)^(password|passwd|token|secret|seed|nkey)$`)

// in tells the surrounding mapping at the end of a message.
func (a at) in() string {
	if a.context == "" {
		return ""
	}
	return " in " + a.context
}

// below is the context of a field's own fields.
func (a at) below(name string) string {
	if len(a.path) > 0 && a.context != "" {
		if _, entry := last(a.path).(int); entry {
			return name + " of " + a.context
		}
		return a.context + "." + name
	}
	return name
}
