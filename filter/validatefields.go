package filter

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/filter/transform"
)

// validateFields holds the fields that a transform names against the types of
// the rule's resources. One that some of the resources have is right: it is
// passed over in the others.
func (p Policy) validateFields(doc *strictyaml.Document, i int) {
	resources := p.Spec.Rules[i].resources()
	if len(resources) == 0 {
		return
	}
	for _, f := range transform.Fields(p.Spec.Rules[i].Transform) {
		path := rulePath(i, append([]any{"transform", f.Step}, f.Path...)...)
		if !doc.Sound(path...) {
			continue
		}
		having, unknown := withField(resources, f.Names)
		switch {
		case len(having) == 0:
			doc.At(path...).Hint("%s", unknown.hint).
				Problemf("nothing that rule %q selects has a field %s", p.ruleName(i), unknown.field)
		case f.Sample != nil:
			validateValue(doc, f, having, path)
		}
	}
}

// unknownField is a field that no resource has, and what to do about it.
type unknownField struct{ field, hint string }

// withField are the resources that have a field; when there are none, unknown
// is about the one that has most of what leads there.
func withField(resources []object.Resource, names []string) (having []object.Resource, unknown unknownField) {
	deepest := -1
	for _, res := range resources {
		at, instead, lacks := object.Lacks(res.Word, names)
		switch {
		case !lacks:
			having = append(having, res)
		case at > deepest:
			deepest, unknown = at, unknownField{field: strconv.Quote(names[at]), hint: explain(res, names[:at])}
			if at > 0 {
				unknown.field += " in " + strings.Join(names[:at], ".")
			}
			if near := strictyaml.Nearest(names[at], instead); near != "" {
				unknown.hint = fmt.Sprintf("did you mean %q?", near)
			}
		}
	}
	return having, unknown
}

// explain is where to read which fields there are.
func explain(res object.Resource, names []string) string {
	return "see kubectl explain " + strings.Join(append([]string{res.Plural}, names...), ".")
}

// validateValue refuses a value that a field cannot have.
func validateValue(doc *strictyaml.Document, f transform.Field, having []object.Resource, path []any) {
	text, err := object.Canonical(f.Sample)
	if err != nil {
		return // a text that is no UTF-8 is a problem of the file
	}
	for _, res := range having {
		if err := object.Fits(res.Word, text); err != nil {
			doc.At(path...).Hint("%s", explain(res, f.Names[:len(f.Names)-1])).Problemf("%s: %v", res.Word, err)
			return
		}
	}
}
