package transform

import (
	"fmt"
	"strconv"
	"strings"
)

// fieldPath leads from an object to fields of it.
type fieldPath []part

// part is one step of a path: a name, a place in a list, or every place.
type part struct {
	name  string
	index int
	kind  partKind
}

type partKind int

const (
	named partKind = iota
	indexed
	every
)

func (p part) String() string {
	switch {
	case p.kind == indexed:
		return "[" + strconv.Itoa(p.index) + "]"
	case p.kind == every:
		return "[*]"
	case strings.ContainsAny(p.name, ".[]/\"\\ ") || p.name == "":
		return "[" + strconv.Quote(p.name) + "]"
	default:
		return "." + p.name
	}
}

func (p fieldPath) String() string {
	var b strings.Builder
	for _, step := range p {
		b.WriteString(step.String())
	}
	return strings.TrimPrefix(b.String(), ".")
}

// names are the names up to the first place in a list.
func (p fieldPath) names() []string {
	var out []string
	for _, step := range p {
		if step.kind != named {
			break
		}
		out = append(out, step.name)
	}
	return out
}

// maxIndex bounds what a path can name; no object of etcd's size has more.
const maxIndex = 1_000_000

// CheckPath says what is wrong with a path to fields, and what to do about it;
// "" when nothing is. The language is that of all paths in a policy.
func CheckPath(path string) (message, hint string) {
	if _, f := parsePath(path); f != nil {
		return f.message, f.hint
	}
	return "", ""
}

// parsePath reads spec.containers[0].image, spec.containers[*].image or
// metadata.annotations["example.com/owner"].
func parsePath(s string) (fieldPath, *flaw) {
	if f := foreignPath(s); f != nil {
		return nil, f
	}
	var out fieldPath
	for rest := s; rest != ""; {
		p, left, f := nextPart(rest, len(out) == 0)
		if f != nil {
			return nil, f
		}
		out, rest = append(out, p), left
	}
	if out[0].kind != named {
		return nil, &flaw{fmt.Sprintf("%q begins with a place in a list, but an object is a mapping", s), "begin with the name of a field"}
	}
	return out, nil
}

// foreignPath recognizes the paths of other languages.
func foreignPath(s string) *flaw {
	switch {
	case s == "":
		return &flaw{"the path is empty", "write it like spec.replicas"}
	case strings.HasPrefix(s, "/"):
		return &flaw{fmt.Sprintf("%q is a JSON pointer, not a path", s), "write it like spec.replicas"}
	case strings.HasPrefix(s, "$"), strings.HasPrefix(s, "."):
		return &flaw{fmt.Sprintf("%q does not begin with the name of a field", s), fmt.Sprintf("did you mean %q?", strings.TrimLeft(s, "$."))}
	default:
		return nil
	}
}

// nextPart reads one step and what comes after it.
func nextPart(s string, first bool) (part, string, *flaw) {
	if strings.HasPrefix(s, "[") {
		return nextBracket(s)
	}
	if !first {
		if !strings.HasPrefix(s, ".") {
			return part{}, "", &flaw{fmt.Sprintf("there is no dot before %q", s), "write it like spec.containers[0].image"}
		}
		s = s[1:]
	}
	end := strings.IndexAny(s, ".[")
	if end < 0 {
		end = len(s)
	}
	name := s[:end]
	if f := plainName(name); f != nil {
		return part{}, "", f
	}
	return part{name: name}, s[end:], nil
}

func plainName(name string) *flaw {
	switch {
	case name == "":
		return &flaw{"a name is missing in the path", "write it like spec.replicas"}
	case name == "*":
		return &flaw{"* stands for nothing here", "write [*] for every entry of a list"}
	case strings.ContainsAny(name, "/\\\"'` \t\r\n]{}"):
		return &flaw{fmt.Sprintf("%q is not a plain name", name), `write names with dots, slashes or blanks like metadata.annotations["example.com/owner"]`}
	default:
		return nil
	}
}

// nextBracket reads [0], [*] or ["name"].
func nextBracket(s string) (part, string, *flaw) {
	if strings.HasPrefix(s, `["`) {
		return nextQuoted(s)
	}
	inside, rest, closed := strings.Cut(s[1:], "]")
	if !closed {
		return part{}, "", &flaw{fmt.Sprintf("%q has no ]", s), "write [0], [*] or [\"name\"]"}
	}
	if inside == "*" {
		return part{kind: every}, rest, nil
	}
	i, err := strconv.Atoi(inside)
	if err != nil || i < 0 || i > maxIndex || strconv.Itoa(i) != inside {
		return part{}, "", &flaw{fmt.Sprintf("[%s] is not a place in a list", inside), "write [0], [*] or [\"name\"]"}
	}
	return part{kind: indexed, index: i}, rest, nil
}

func nextQuoted(s string) (part, string, *flaw) {
	broken := &flaw{fmt.Sprintf("%q is not a name in quotes and brackets", s), `write it like ["example.com/owner"]`}
	quoted, err := strconv.QuotedPrefix(s[1:])
	if err != nil {
		return part{}, "", broken
	}
	name, err := strconv.Unquote(quoted)
	rest, closed := strings.CutPrefix(s[1+len(quoted):], "]")
	if err != nil || !closed || name == "" {
		return part{}, "", broken
	}
	return part{name: name}, rest, nil
}
