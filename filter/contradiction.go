package filter

import (
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/labels"
)

// contradicted is a label for which no value meets all requirements, or "".
func contradicted(requirements labels.Requirements) string {
	byKey := map[string]labels.Requirements{}
	for _, r := range requirements {
		if byKey[r.Key()] = append(byKey[r.Key()], r); impossible(byKey[r.Key()]) {
			return r.Key()
		}
	}
	return ""
}

// impossible reports whether no value of one label meets all requirements. It
// tries the values that can make a difference: none, those that requirements
// name, those next to them, and one that nobody names.
func impossible(requirements labels.Requirements) bool {
	key := requirements[0].Key()
	candidates := []labels.Set{{}, {key: "\x00"}}
	for _, r := range requirements {
		for _, value := range r.ValuesUnsorted() {
			candidates = append(candidates, labels.Set{key: value})
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				candidates = append(candidates, labels.Set{key: strconv.FormatInt(n-1, 10)}, labels.Set{key: strconv.FormatInt(n+1, 10)})
			}
		}
	}
	return !slices.ContainsFunc(candidates, func(set labels.Set) bool {
		return !slices.ContainsFunc(requirements, func(r labels.Requirement) bool { return !r.Matches(set) })
	})
}
