package filter

import (
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/strictyaml"
)

// validatePatterns refuses patterns that nothing can match.
func (p Policy) validatePatterns(doc *strictyaml.Document, i int) {
	r := p.Spec.Rules[i]
	validName := validateName
	if r.strictNames() {
		validName = validateStrictName
	}
	for _, list := range []struct {
		field    string
		patterns []string
		valid    func(doc *strictyaml.Document, pattern string, path ...any)
	}{
		{"namespaces", r.Namespaces, validateNamespace},
		{"exceptNamespaces", r.ExceptNamespaces, validateNamespace},
		{"names", r.Names, validName},
		{"exceptNames", r.ExceptNames, validName},
	} {
		for j, pattern := range list.patterns {
			list.valid(doc, pattern, rulePath(i, list.field, j)...)
		}
	}
	validateLeftovers(doc, i, "namespace", r.Namespaces, p.exceptNamespaces(i))
	validateLeftovers(doc, i, "name", r.Names, globsOf(r.ExceptNames))
	if j := slices.IndexFunc(r.ExceptNames, everything); j >= 0 && len(r.Names) == 0 {
		doc.At(rulePath(i, "exceptNames", j)...).Hint("remove it, or the rule").
			Problemf("rule %q selects nothing: every name stays behind", p.ruleName(i))
	}
	p.validateEveryNamespace(doc, i)
	p.validateWithheld(doc, i)
	p.validateNamesOfNamespaces(doc, i)
}

// validateEveryNamespace refuses to leave every namespace behind when there is
// nothing outside of them.
func (p Policy) validateEveryNamespace(doc *strictyaml.Document, i int) {
	r := p.Spec.Rules[i]
	outside := func(res object.Resource) bool { return !res.Namespaced && res.Word != "namespaces" }
	if len(r.Namespaces) > 0 || len(r.resources()) == 0 || slices.ContainsFunc(r.resources(), outside) {
		return
	}
	j, path := slices.IndexFunc(r.ExceptNamespaces, everything), rulePath(i, "exceptNamespaces")
	if j < 0 {
		j, path = slices.IndexFunc(p.Spec.Defaults.ExceptNamespaces, everything), []any{"spec", "defaults", "exceptNamespaces"}
	}
	if j >= 0 {
		doc.At(append(path, j)...).Hint("remove it, or the rule").Problemf("rule %q selects nothing: every namespace stays behind", p.ruleName(i))
	}
}

// validateWithheld refuses names that cross under no policy.
func (p Policy) validateWithheld(doc *strictyaml.Document, i int) {
	r := p.Spec.Rules[i]
	for j, name := range r.Names {
		if reason := r.withheld(name); reason != "" && doc.Sound(rulePath(i, "names", j)...) {
			doc.At(rulePath(i, "names", j)...).Hint("remove it").Problemf("what is called %q never crosses: %s", name, reason)
		}
	}
}

// withheld is why nothing that the rule selects by a name can cross, or "".
func (r Rule) withheld(name string) (reason string) {
	namespaces := r.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{"*"}
	}
	for _, res := range r.resources() {
		for _, namespace := range namespaces {
			key := object.Key{Group: res.Group, Resource: res.Plural, Namespace: anyOf(namespace), Name: anyOf(name), Namespaced: true}
			why, withheld := object.Withheld(key, object.Meta{})
			if !withheld {
				return ""
			}
			reason = why
		}
	}
	return reason
}

// anyOf stands for all that matches a pattern: the text itself, or one that has
// nothing in common with others but its start.
func anyOf(pattern string) string {
	if start, whole := glob(pattern).literal(); !whole {
		return start + "\x00"
	}
	return pattern
}

// validateNamesOfNamespaces refuses names of namespaces that the rule, which is
// about nothing else, does not select as namespaces.
func (p Policy) validateNamesOfNamespaces(doc *strictyaml.Document, i int) {
	r, except := p.Spec.Rules[i], p.exceptNamespaces(i)
	if slices.ContainsFunc(r.resources(), func(res object.Resource) bool { return res.Word != "namespaces" }) {
		return
	}
	o := objects{namespaces: globsOf(r.Namespaces)}
	for j, name := range r.Names {
		_, whole := glob(name).literal()
		meets := len(o.namespaces) == 0 || slices.ContainsFunc(o.namespaces, glob(name).meets)
		at := doc.At(rulePath(i, "names", j)...)
		switch {
		case !doc.Sound(rulePath(i, "names", j)...) || !doc.Sound(rulePath(i, "namespaces")...):
		case except.cover(glob(name)):
			at.Hint("remove it here or there").Problemf("namespace %q is selected, and all of it stays behind by exceptNamespaces", name)
		case !meets || whole && !o.inNamespace(name):
			at.Hint("add it to namespaces, or remove it").Problemf("rule %q selects no namespace that matches %q", p.ruleName(i), name)
		}
	}
}

// validateLeftovers refuses patterns of which exceptions leave nothing.
func validateLeftovers(doc *strictyaml.Document, i int, what string, patterns []string, except globs) {
	field, exceptions := what+"s", "except"+strings.ToUpper(what[:1])+what[1:]+"s"
	for j, pattern := range patterns {
		if except.cover(glob(pattern)) && doc.Sound(rulePath(i, field, j)...) {
			doc.At(rulePath(i, field, j)...).Hint("remove it here or there").
				Problemf("%s %q is selected, and all of it stays behind by %s", what, pattern, exceptions)
		}
	}
}

// validateNamespace refuses what no namespace can be called: names of at most
// 63 lower-case letters, digits and inner hyphens.
func validateNamespace(doc *strictyaml.Document, pattern string, path ...any) {
	if strings.Trim(pattern, "abcdefghijklmnopqrstuvwxyz0123456789-*?") != "" || pattern == "" ||
		strings.HasPrefix(pattern, "-") || strings.HasSuffix(pattern, "-") || atLeastLong(pattern) > validation.DNS1123LabelMaxLength {
		doc.At(path...).Hint("use lower-case letters, digits and inner hyphens, with * and ? as wildcards").
			Problemf("no namespace can match %q", pattern)
	}
}

// validateName refuses what no object can be called. Roles may have colons.
func validateName(doc *strictyaml.Document, pattern string, path ...any) {
	if pattern == "" || pattern == "." || pattern == ".." || strings.ContainsAny(pattern, "/%") || atLeastLong(pattern) > validation.DNS1123SubdomainMaxLength {
		doc.At(path...).Hint("use the name alone, with * and ? as wildcards").
			Problemf("no object's name can match %q", pattern)
	}
}

// strictNames reports whether all objects of the rule are named like hosts.
// Roles and their bindings are not, nor is some of what clusters keep for
// themselves.
func (r Rule) strictNames() bool {
	return !slices.ContainsFunc(r.resources(), func(res object.Resource) bool {
		return res.Class == object.Deny || res.Group == "rbac.authorization.k8s.io"
	})
}

// validateStrictName refuses what no object can be called that is named like a
// host.
func validateStrictName(doc *strictyaml.Document, pattern string, path ...any) {
	validateName(doc, pattern, path...)
	switch {
	case !doc.Sound(path...):
	case strings.Trim(pattern, "abcdefghijklmnopqrstuvwxyz0123456789-.*?") != "":
		doc.At(path...).Hint("use lower-case letters, digits, hyphens and dots, with * and ? as wildcards").
			Problemf("no object's name can match %q", pattern)
	case misplaced.MatchString(pattern):
		doc.At(path...).Hint("a hyphen stands between letters or digits, and so does a dot").
			Problemf("no object's name can match %q", pattern)
	}
}

// misplaced matches hyphens and dots where names like those of hosts have none.
var misplaced = regexp.MustCompile(`^[-.]|[-.]$|\.[-.]|-\.`)

// atLeastLong is the length of the shortest match.
func atLeastLong(pattern string) int { return len(pattern) - strings.Count(pattern, "*") }
