package filter

import (
	"slices"
	"strings"
)

// glob is a pattern in which * stands for any characters and ? for one.
type glob string

// matches compares bytes: names of objects are ASCII.
func (g glob) matches(s string) bool {
	p := string(g)
	star, mark, i := -1, 0, 0 // the last * and where it began to match
	for j := 0; j < len(s); {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(p[i:], "*") == ""
}

// covers reports whether g matches all that o matches. It may miss that, where
// both have wildcards.
func (g glob) covers(o glob) bool {
	if strings.Contains(string(g), "?") && strings.Contains(string(o), "*") {
		return g == o // a ? of g would stand for all that a * does
	}
	return g.matches(string(o))
}

// meets reports whether there is a text that both match.
func (g glob) meets(o glob) bool {
	after := make([]bool, len(o)+1) // whether g[i+1:] and o[j:] have one
	for i := len(g); i >= 0; i-- {
		here := make([]bool, len(o)+1)
		for j := len(o); j >= 0; j-- {
			switch {
			case i == len(g) && j == len(o):
				here[j] = true
			case i < len(g) && g[i] == '*':
				here[j] = after[j] || j < len(o) && here[j+1]
			case j < len(o) && o[j] == '*':
				here[j] = here[j+1] || i < len(g) && after[j]
			case i < len(g) && j < len(o):
				here[j] = (g[i] == o[j] || g[i] == '?' || o[j] == '?') && after[j+1]
			}
		}
		after = here
	}
	return after[0]
}

// everything reports whether a pattern matches every name.
func everything(pattern string) bool {
	return strings.Trim(pattern, "*?") == "" && strings.Contains(pattern, "*") && strings.Count(pattern, "?") <= 1
}

// literal is what every match starts with, and whether that is all of it.
func (g glob) literal() (start string, whole bool) {
	if i := strings.IndexAny(string(g), "*?"); i >= 0 {
		return string(g[:i]), false
	}
	return string(g), true
}

type globs []glob

func globsOf(patterns []string) globs {
	out := make(globs, len(patterns))
	for i, p := range patterns {
		out[i] = glob(p)
	}
	return out
}

func (gs globs) matches(s string) bool {
	return slices.ContainsFunc(gs, func(g glob) bool { return g.matches(s) })
}

// names reports whether one of the patterns is exactly s.
func (gs globs) names(s string) bool { return slices.Contains(gs, glob(s)) }

// cover reports whether one of the patterns matches all that o matches.
func (gs globs) cover(o glob) bool {
	return slices.ContainsFunc(gs, func(g glob) bool { return g.covers(o) })
}
