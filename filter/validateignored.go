package filter

import (
	"slices"
	"strings"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/filter/transform"
)

// validateIgnored attaches what is wrong with the ignored fields of a rule.
func (p Policy) validateIgnored(doc *strictyaml.Document, i int) {
	for j, f := range p.Spec.Rules[i].IgnoreFields {
		at := func(field ...any) strictyaml.Spot {
			return doc.At(rulePath(i, append([]any{"ignoreFields", j}, field...)...)...)
		}
		switch {
		case !doc.Sound(rulePath(i, "ignoreFields", j)...):
		case f.Preset != "" && f.Paths != nil:
			at("preset").Hint("make two entries of it").Problemf("the entry has paths and a preset")
		case f.Preset != "" && f.When != "":
			at("when").Hint("remove it, or write the paths").Problemf("preset %q says itself when its fields are the edge's", f.Preset)
		case f.Preset != "":
			p.validatePreset(at("preset"), i, f.Preset)
		case len(f.Paths) == 0:
			at().Hint("add paths, or a preset: %s", strings.Join(f.Preset.Values(), ", ")).Problemf("the entry names no field")
		}
		for k, path := range f.Paths {
			validateIgnoredPath(at("paths", k), path, p.Spec.Rules[i].ofObjects())
		}
	}
}

// identities are fields that are the same at both sides, because they say which
// object it is.
var identities = []string{"apiVersion", "kind", "metadata.name", "metadata.namespace"}

func validateIgnoredPath(at strictyaml.Spot, path string, ofObjects bool) {
	if message, hint := transform.CheckPath(path); message != "" {
		at.Hint("%s", hint).Problemf("%s", message)
		return
	}
	switch {
	case !ofObjects:
	case slices.Contains(identities, path):
		at.Hint("leave it out").Problemf("%s cannot be the edge's: it is part of what the object is", path)
	case path == "status" || strings.HasPrefix(path, "status.") || strings.HasPrefix(path, "status["):
		at.Hint("leave it out").Problemf("the status of an object does not cross, so there is nothing to leave to the edge")
	}
}

// validatePreset refuses a preset for resources that have no such fields.
func (p Policy) validatePreset(at strictyaml.Spot, i int, name Preset) {
	r, of := p.Spec.Rules[i], presets[name].of
	has := func(res object.Resource) bool { return res.Custom || slices.Contains(of, res.Word) }
	if resources := r.resources(); len(resources) > 0 && !slices.ContainsFunc(resources, has) {
		at.Hint("leave it out").
			Problemf("preset %q is about %s, and rule %q selects none of them", name, strings.Join(of, ", "), p.ruleName(i))
	}
}
