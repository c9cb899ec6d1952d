package filter

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
)

// objectRanges are the pieces of a rule about objects. Keys of one resource
// follow each other by namespace and name, and are delivered in that order
// below another prefix; a namespace that is renamed is a piece of its own.
func (p Policy) objectRanges(i int, c Cluster, taken []change.Range) []RuleRange {
	r := p.Spec.Rules[i]
	names, except := globsOf(r.Namespaces), p.exceptNamespaces(i)
	var out []RuleRange
	for _, res := range r.resources() {
		at := place{
			rule: p.ruleName(i), place: i, resource: res, moves: r.moves(),
			from: object.Root(c.Prefix) + res.StoragePrefix + "/",
			to:   r.target() + res.Word + "/",
		}
		cuts, vacated := union(slices.Concat(taken, at.unselected(names))), union(at.vacated(except))
		for _, piece := range at.pieces(names) {
			for _, source := range without([]change.Range{piece.Source}, cuts) {
				out = append(out, piece.vacating(source, vacated)...)
			}
		}
	}
	return out
}

// place is where the objects of one resource lie, on both sides.
type place struct {
	rule     string
	place    int
	resource object.Resource
	from, to string
	moves    map[string]string
}

// ofNamespaces reports whether the objects are namespaces themselves, so that
// their names are those of namespaces.
func (p place) ofNamespaces() bool { return p.resource.Word == "namespaces" }

// namespace is the range of the objects of one namespace, or of those whose
// namespace starts like that.
func (p place) namespace(start string, whole bool) change.Range {
	switch {
	case !whole:
		return change.PrefixRange([]byte(p.from + start))
	case p.ofNamespaces():
		return change.Range{Lo: []byte(p.from + start), Hi: []byte(p.from + start + "\x00")}
	default:
		return change.PrefixRange([]byte(p.from + start + "/"))
	}
}

// pieces are the ranges that the rule is about, before anything is cut out.
func (p place) pieces(namespaces globs) []RuleRange {
	var out []RuleRange
	for _, r := range p.covered(namespaces) {
		out = append(out, p.piece(r, p.from, p.to))
	}
	for _, from := range slices.Sorted(maps.Keys(p.moves)) {
		if !p.inNamespaces() {
			continue
		}
		end := "/"
		if p.ofNamespaces() {
			end = ""
		}
		out = append(out, p.piece(p.namespace(from, true), p.from+from+end, p.to+p.moves[from]+end))
	}
	return out
}

// inNamespaces reports whether namespaces have a meaning for the resource.
func (p place) inNamespaces() bool {
	return p.resource.Namespaced || p.resource.Custom || p.ofNamespaces()
}

// covered are the source ranges of the namespaces, less those that are
// renamed.
func (p place) covered(namespaces globs) []change.Range {
	var ranges []change.Range
	for _, g := range namespaces {
		start, whole := g.literal()
		ranges = append(ranges, p.namespace(start, whole))
	}
	if len(namespaces) == 0 {
		ranges = []change.Range{change.PrefixRange([]byte(p.from))}
	}
	var moved []change.Range
	for from := range p.moves {
		if p.inNamespaces() {
			moved = append(moved, p.namespace(from, true))
		}
	}
	return without(ranges, moved)
}

// unselected are the namespaces of the control plane that are not named, and
// those whose name others take, when they lie among the selected ones only
// because ranges are wider than patterns.
func (p place) unselected(namespaces globs) []change.Range {
	if !p.inNamespaces() {
		return nil
	}
	var out []change.Range
	for _, n := range systemNamespaces {
		if !namespaces.names(n) {
			out = append(out, p.namespace(n, true))
		}
	}
	for _, to := range p.moves {
		if _, moved := p.moves[to]; !moved && len(namespaces) > 0 && !namespaces.matches(to) {
			out = append(out, p.namespace(to, true))
		}
	}
	return out
}

// vacated are the namespaces that stay behind so that another one can take
// their name.
func (p place) vacated(except globs) []change.Range {
	var out []change.Range
	for _, to := range p.moves {
		if _, moved := p.moves[to]; p.inNamespaces() && !moved && except.matches(to) {
			out = append(out, p.namespace(to, true))
		}
	}
	return out
}

// vacating are the parts of r over a source range. The rule has the vacated ones
// stay behind, whatever later rules say, and delivers nothing of them.
func (r RuleRange) vacating(source change.Range, vacated []change.Range) []RuleRange {
	var out []RuleRange
	for _, part := range without([]change.Range{source}, vacated) {
		out = append(out, r.onto(part))
	}
	for _, v := range vacated {
		if part := source.Intersect(v); !part.Empty() {
			behind := r.onto(part)
			behind.vacated = true
			out = append(out, behind)
		}
	}
	return out
}

func (p place) piece(source change.Range, from, to string) RuleRange {
	r := RuleRange{Rule: p.rule, Place: p.place, SourcePrefix: []byte(from), TargetPrefix: []byte(to), storage: p.from}
	return r.onto(source)
}

// onto is the part of r whose source is the range, which lies in it.
func (r RuleRange) onto(source change.Range) RuleRange {
	r.Source, r.Delivered = source, swapRange(source, r.SourcePrefix, r.TargetPrefix)
	return r
}

// StoredRange is where the API server of a cluster stores the objects of a
// delivered range, whose keys are in the same order there; ok is false for a
// range that is not one of a resource.
func (c Cluster) StoredRange(delivered change.Range) (stored change.Range, ok bool) {
	path, ok := strings.CutPrefix(string(delivered.Lo), ObjectPrefix)
	word, _, within := strings.Cut(path, "/")
	res, known := object.Lookup(word)
	from := []byte(ObjectPrefix + word + "/")
	if !ok || !within || !known || len(delivered.Subtract(change.PrefixRange(from))) > 0 {
		return change.Range{}, false
	}
	to := []byte(object.Root(c.Prefix) + res.StoragePrefix + "/")
	stored = change.PrefixRange(to)
	stored.Lo = append(bytes.Clone(to), delivered.Lo[len(from):]...)
	if rest, below := bytes.CutPrefix(delivered.Hi, from); below {
		stored.Hi = append(bytes.Clone(to), rest...)
	}
	return stored, true
}
