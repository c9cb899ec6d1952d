package filter

import (
	"errors"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/filter/transform"
	"github.com/syncer-io/syncer/filter/where"
)

// validateObjects attaches every problem of a rule about objects to doc.
func (p Policy) validateObjects(doc *strictyaml.Document, i int) {
	r := p.Spec.Rules[i]
	if len(r.Exclude) > 0 {
		doc.At(rulePath(i, "exclude")...).Hint("use exceptNamespaces or exceptNames").
			Problemf("exclude is for rules with a prefix, and rule %q has resources", p.ruleName(i))
	}
	p.validateResources(doc, i)
	p.validateSecrets(doc, i)
	p.validatePatterns(doc, i)
	validateLabels(doc, r.Labels, rulePath(i, "labels")...)
	validateWhere(doc, r.Where, rulePath(i, "where")...)
	_, problems := transform.Compile(r.Transform)
	for _, problem := range problems {
		doc.At(rulePath(i, append([]any{"transform", problem.Step}, problem.Path...)...)...).
			Hint("%s", problem.Hint).Problemf("%s", problem.Message)
	}
	p.validateMoves(doc, i)
	switch to := r.target(); {
	case !strings.HasSuffix(to, "/"):
		doc.At(rulePath(i, "to")...).Hint("end it with a slash").Problemf("%q is not the prefix of keys of objects", to)
	case strings.HasPrefix(to, OwnPrefix):
		doc.At(rulePath(i, "to")...).Hint("choose another prefix").
			Problemf("%s is syncer's own; nothing can be delivered there", OwnPrefix)
	}
}

func (p Policy) validateResources(doc *strictyaml.Document, i int) {
	r := p.Spec.Rules[i]
	for j, word := range r.Resources {
		at := doc.At(rulePath(i, "resources", j)...)
		if word == "*" {
			continue
		}
		res, ok := object.Lookup(word)
		if !ok {
			unknownResource(at, word)
			continue
		}
		if len(r.Namespaces) > 0 && !res.Namespaced && !res.Custom && word != "namespaces" {
			at.Hint("put it into a rule of its own, without namespaces").
				Problemf("%s are in no namespace, and the rule selects by namespace", word)
		}
	}
}

func unknownResource(at strictyaml.Spot, word string) {
	if known, ok := object.Suggest(word); ok {
		at.Hint("did you mean %s?", known).Problemf("there is no resource %q", word)
		return
	}
	if near := strictyaml.Nearest(word, object.Words()); near != "" {
		at.Hint("did you mean %s?", near).Problemf("there is no resource %q", word)
		return
	}
	at.Hint("name it by plural and group, like configmaps, deployments.apps or widgets.example.com").
		Problemf("there is no resource %q", word)
}

// validateSecrets wants secrets to be asked for three times: by name, by
// consent, and by namespace.
func (p Policy) validateSecrets(doc *strictyaml.Document, i int) {
	r := p.Spec.Rules[i]
	named := -1
	for j, word := range r.Resources {
		if word == "secrets" {
			named = j
		}
	}
	switch {
	case named < 0 && r.AllowSecrets:
		doc.At(rulePath(i, "allowSecrets")...).Hint("add secrets to resources, or remove allowSecrets").
			Problemf("rule %q allows secrets and does not name them", p.ruleName(i))
	case named >= 0 && !r.AllowSecrets:
		doc.At(rulePath(i, "resources", named)...).Hint("add allowSecrets: true if edges shall have them").
			Problemf("secrets cross only with consent")
	case named >= 0 && len(r.Namespaces) == 0:
		doc.At(rulePath(i, "resources", named)...).Hint("add namespaces: [...]").
			Problemf("secrets cross only from namespaces that are named")
	case named >= 0:
		for j, pattern := range r.Namespaces {
			if start, _ := glob(pattern).literal(); start == "" && pattern != "" {
				doc.At(rulePath(i, "namespaces", j)...).Hint("name the namespaces").
					Problemf("%q names no namespace, and secrets cross only from those that are named", pattern)
			}
		}
	}
}

// validatePatterns refuses patterns that nothing can match.
func (p Policy) validatePatterns(doc *strictyaml.Document, i int) {
	r := p.Spec.Rules[i]
	except, exceptNames := p.exceptNamespaces(i), globsOf(r.ExceptNames)
	for j, pattern := range r.Namespaces {
		validateNamespace(doc, pattern, rulePath(i, "namespaces", j)...)
		if start, whole := glob(pattern).literal(); whole && except.matches(start) {
			doc.At(rulePath(i, "namespaces", j)...).Hint("remove it here or there").
				Problemf("namespace %q is selected and stays behind by exceptNamespaces", pattern)
		}
	}
	for j, pattern := range r.ExceptNamespaces {
		validateNamespace(doc, pattern, rulePath(i, "exceptNamespaces", j)...)
	}
	for j, pattern := range r.Names {
		validateName(doc, pattern, rulePath(i, "names", j)...)
		if start, whole := glob(pattern).literal(); whole && exceptNames.matches(start) {
			doc.At(rulePath(i, "names", j)...).Hint("remove it here or there").
				Problemf("name %q is selected and stays behind by exceptNames", pattern)
		}
	}
	for j, pattern := range r.ExceptNames {
		validateName(doc, pattern, rulePath(i, "exceptNames", j)...)
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

// atLeastLong is the length of the shortest match.
func atLeastLong(pattern string) int { return len(pattern) - strings.Count(pattern, "*") }

func validateLabels(doc *strictyaml.Document, text string, path ...any) {
	if text == "" {
		return
	}
	selector, err := labels.Parse(text)
	if err != nil {
		doc.At(path...).Hint("write it as for kubectl: a=b,c!=d,e in (f,g),!h").Problemf("not a label selector: %v", err)
		return
	}
	requirements, _ := selector.Requirements()
	if key := contradicted(requirements); key != "" {
		doc.At(path...).Hint("remove one of the conditions").Problemf("no object can match: the conditions for label %q contradict each other", key)
	}
}

func validateWhere(doc *strictyaml.Document, text string, path ...any) {
	if text == "" {
		return
	}
	_, err := where.Compile(text)
	var wrong *where.Error
	switch {
	case errors.As(err, &wrong):
		for _, problem := range wrong.Problems {
			doc.At(path...).In(problem.Offset).Hint("%s", problem.Hint).Problemf("%s", problem.Message)
		}
	case err != nil:
		doc.At(path...).Problemf("%v", err)
	}
}

// validateMoves refuses to rename a namespace of which the rule has nothing.
func (p Policy) validateMoves(doc *strictyaml.Document, i int) {
	o := objects{namespaces: globsOf(p.Spec.Rules[i].Namespaces)}
	for j, s := range p.Spec.Rules[i].Transform {
		if s.Namespace == nil || s.Namespace.From == "" {
			continue
		}
		if from := s.Namespace.From; !o.inNamespace(from) || p.exceptNamespaces(i).matches(from) {
			doc.At(rulePath(i, "transform", j, "namespace", "from")...).Hint("add it to namespaces, or remove the step").
				Problemf("rule %q selects nothing of namespace %q", p.ruleName(i), from)
		}
	}
}
