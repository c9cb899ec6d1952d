package filter

import (
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/sets"
)

// contradicted is a label for which no value meets all requirements, or "".
func contradicted(requirements labels.Requirements) string {
	byKey := map[string]*demands{}
	for _, r := range requirements {
		d := byKey[r.Key()]
		if d == nil {
			d = &demands{}
			byKey[r.Key()] = d
		}
		d.add(r)
		if d.impossible() {
			return r.Key()
		}
	}
	return ""
}

// demands are what requirements want of one label.
type demands struct {
	oneOf   sets.Set[string] // nil: any value
	noneOf  sets.Set[string]
	present bool
	absent  bool
}

func (d *demands) add(r labels.Requirement) {
	values := r.ValuesUnsorted()
	switch r.Operator() {
	case selection.In, selection.Equals, selection.DoubleEquals:
		d.present = true
		if d.oneOf == nil {
			d.oneOf = sets.New(values...)
		} else {
			d.oneOf = d.oneOf.Intersection(sets.New(values...))
		}
	case selection.NotIn, selection.NotEquals:
		d.noneOf = d.noneOf.Union(sets.New(values...))
	case selection.Exists, selection.GreaterThan, selection.LessThan:
		d.present = true
	case selection.DoesNotExist:
		d.absent = true
	}
}

func (d *demands) impossible() bool {
	return d.present && d.absent || d.oneOf != nil && d.oneOf.Difference(d.noneOf).Len() == 0
}
