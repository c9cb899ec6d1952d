package source

import (
	"bytes"
	"slices"
	"sort"

	"github.com/syncer-io/syncer/replicator/change"
)

// selection is a set of disjoint, non-empty ranges in key order.
type selection []change.Range

func newSelection(ranges []change.Range) selection {
	sel := make(selection, 0, len(ranges))
	for _, r := range ranges {
		if !r.Empty() {
			sel = append(sel, r)
		}
	}
	slices.SortFunc(sel, func(a, b change.Range) int { return bytes.Compare(a.Lo, b.Lo) })
	return sel
}

// contains reports whether key lies in one of the ranges.
func (sel selection) contains(key []byte) bool {
	after := sort.Search(len(sel), func(i int) bool { return bytes.Compare(sel[i].Lo, key) > 0 })
	return after > 0 && sel[after-1].Contains(key)
}

// covering is the smallest range that holds all of the selection.
func (sel selection) covering() change.Range {
	if len(sel) == 0 {
		return change.Range{Lo: firstKey, Hi: firstKey}
	}
	return change.Range{Lo: sel[0].Lo, Hi: sel[len(sel)-1].Hi}
}

// firstKey is the lowest key that etcd can hold. As the end of a range it has
// another meaning to etcd: no end.
var firstKey = []byte{0}

// bounds is r in the words of etcd. ok is false when no key can lie in r:
// such a request must not be sent, for etcd would read it as another one.
func bounds(r change.Range) (key, end string, ok bool) {
	if bytes.Compare(r.Lo, firstKey) < 0 {
		r.Lo = firstKey
	}
	if r.Empty() {
		return "", "", false
	}
	if len(r.Hi) == 0 {
		return string(r.Lo), string(firstKey), true
	}
	return string(r.Lo), string(r.Hi), true
}

// after is the part of r behind key.
func after(r change.Range, key []byte) change.Range {
	return change.Range{Lo: append(bytes.Clone(key), 0), Hi: r.Hi}
}
