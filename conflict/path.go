package conflict

import (
	"fmt"
	"strconv"
	"strings"
)

// part is one step of a path to a field: a name, a place in a list, or every
// entry of it.
type part struct {
	name  string
	index int // of a list, when name is ""; -1 is every entry
}

const everyEntry = -1

// parsePath reads spec.replicas, spec.ports[*].nodePort,
// spec.template.spec.containers[0].image or
// metadata.annotations["example.com/owner"]: the paths of policies.
func parsePath(s string) ([]part, error) {
	var out []part
	for rest := s; rest != "" || len(out) == 0; {
		p, left, ok := nextPart(rest, len(out) == 0)
		if !ok || len(out) == 0 && p.name == "" {
			return nil, fmt.Errorf("%q is no path to a field", s)
		}
		out, rest = append(out, p), left
	}
	return out, nil
}

func nextPart(s string, first bool) (p part, rest string, ok bool) {
	switch {
	case strings.HasPrefix(s, `["`):
		return nextQuoted(s)
	case strings.HasPrefix(s, "["):
		return nextEntry(s)
	case !first && !strings.HasPrefix(s, "."):
		return part{}, "", false
	}
	if !first {
		s = s[1:]
	}
	end := strings.IndexAny(s, ".[")
	if end < 0 {
		end = len(s)
	}
	return part{name: s[:end]}, s[end:], s[:end] != "*" && s[:end] != "" && !strings.ContainsAny(s[:end], "/\\\"'` \t\r\n]{}")
}

func nextEntry(s string) (part, string, bool) {
	inside, rest, closed := strings.Cut(s[1:], "]")
	if inside == "*" {
		return part{index: everyEntry}, rest, closed
	}
	i, err := strconv.Atoi(inside)
	return part{index: i}, rest, closed && err == nil && i >= 0 && strconv.Itoa(i) == inside
}

func nextQuoted(s string) (part, string, bool) {
	quoted, err := strconv.QuotedPrefix(s[1:])
	if err != nil {
		return part{}, "", false
	}
	name, err := strconv.Unquote(quoted)
	rest, closed := strings.CutPrefix(s[1+len(quoted):], "]")
	return part{name: name}, rest, err == nil && closed && name != ""
}
