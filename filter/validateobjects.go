package filter

import (
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/filter/transform"
	"github.com/syncer-io/syncer/filter/where"
)

// validateObjects attaches every problem of a rule about objects to doc.
func (p Policy) validateObjects(doc *strictyaml.Document, i int, c Cluster) {
	r := p.Spec.Rules[i]
	if len(r.Exclude) > 0 {
		doc.At(rulePath(i, "exclude")...).Hint("use exceptNamespaces or exceptNames").
			Problemf("exclude is for rules with a prefix, and rule %q has resources", p.ruleName(i))
	}
	if r.Raw {
		doc.At(rulePath(i, "raw")...).Hint("remove it").
			Problemf("raw is for rules with a prefix, and rule %q has resources", p.ruleName(i))
	}
	p.validateResources(doc, i)
	p.validateSecrets(doc, i)
	p.validateStatus(doc, i)
	p.validatePatterns(doc, i)
	p.validateConditions(doc, i)
	_, problems := transform.Compile(r.Transform)
	for _, problem := range problems {
		path := rulePath(i, append([]any{"transform", problem.Step}, problem.Path...)...)
		if len(problem.Path) == 0 && !doc.Sound(path...) {
			continue // it does nothing because a field of it is wrong
		}
		doc.At(path...).Hint("%s", problem.Hint).Problemf("%s", problem.Message)
	}
	p.validateFields(doc, i)
	p.validateMoves(doc, i)
	validateObjectTarget(doc, i, r.target(), c)
}

func validateObjectTarget(doc *strictyaml.Document, i int, to string, c Cluster) {
	at := doc.At(rulePath(i, "to")...)
	switch {
	case !strings.HasSuffix(to, "/"):
		at.Hint("end it with a slash").Problemf("%q is not the prefix of keys of objects", to)
	case strings.HasPrefix(to, OwnPrefix):
		at.Hint("choose another prefix").Problemf("%s is syncer's own; nothing can be delivered there", OwnPrefix)
	case strings.HasPrefix(to, object.Root(c.Prefix)) || strings.HasPrefix(to, object.Root(DefaultCluster.Prefix)):
		at.Hint("choose another prefix").Problemf("%q is where an API server stores its objects, in a form of its own", to)
	}
}

func (p Policy) validateResources(doc *strictyaml.Document, i int) {
	r := p.Spec.Rules[i]
	for j, word := range r.Resources {
		at := doc.At(rulePath(i, "resources", j)...)
		if word == "*" {
			continue
		}
		if group, all := strings.CutPrefix(word, "*."); all {
			wholeGroup(at, word, group)
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

// wholeGroup refuses a group as a whole. Which resources a custom group has
// only its cluster knows, and a new one would cross before anybody has decided
// about it.
func wholeGroup(at strictyaml.Spot, word, group string) {
	var words []string
	for _, r := range object.Resources() {
		if r.Group == group && r.Class != object.Deny {
			words = append(words, r.Word)
		}
	}
	switch {
	case len(words) > 0:
		at.Hint("name them: %s", strings.Join(words, ", ")).Problemf("%q: a group cannot be selected as a whole", word)
	case object.CustomGroup(group):
		at.Hint("name them one by one, like widgets.%s; kubectl api-resources --api-group=%s lists them", group, group).
			Problemf("%q: a group cannot be selected as a whole, only the cluster knows what is in it", word)
	default:
		at.Hint("name resources by plural and group, like deployments.apps or widgets.example.com").
			Problemf("%q: there is no group %q", word, group)
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

// validateStatus refuses a status that nothing of the rule crosses with.
func (p Policy) validateStatus(doc *strictyaml.Document, i int) {
	r := p.Spec.Rules[i]
	if resources := r.resources(); r.KeepStatus && len(resources) > 0 && !slices.ContainsFunc(resources, func(one object.Resource) bool { return one.Custom }) {
		doc.At(rulePath(i, "keepStatus")...).Hint("leave it out: the status of built-in kinds is for the edge's own cluster to write").
			Problemf("keepStatus is for custom resources, and rule %q selects none", p.ruleName(i))
	}
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
	case !doc.Sound(rulePath(i, "allowSecrets")...):
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

// validateConditions refuses labels and where that cannot be met. One that is
// there and says nothing would let everything pass.
func (p Policy) validateConditions(doc *strictyaml.Document, i int) {
	for field, text := range map[string]string{"labels": p.Spec.Rules[i].Labels, "where": p.Spec.Rules[i].Where} {
		path := rulePath(i, field)
		switch {
		case strings.TrimSpace(text) == "":
			if text != "" || p.doc != nil && doc.Has(path...) {
				doc.At(path...).Hint("write a condition, or remove the field").Problemf("%q is empty, so everything would pass", field)
			}
		case field == "labels":
			validateLabels(doc, text, path...)
		default:
			validateWhere(doc, text, path...)
		}
	}
}

func validateLabels(doc *strictyaml.Document, text string, path ...any) {
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
	program, err := where.Compile(text)
	var wrong *where.Error
	switch {
	case errors.As(err, &wrong):
		for _, problem := range wrong.Problems {
			doc.At(path...).In(problem.Offset).Hint("%s", problem.Hint).Problemf("%s", problem.Message)
		}
	case err != nil:
		doc.At(path...).Problemf("%v", err)
	default:
		validateConstant(doc, program, path...)
	}
}

// validateConstant refuses a condition that says the same of every object. What
// has variables in it may say something else for each edge.
func validateConstant(doc *strictyaml.Document, program *where.Program, path ...any) {
	if written, known := doc.Text(path...); !known || strings.Contains(written, "${") {
		return
	}
	switch value, constant := program.Constant(); {
	case constant && value:
		doc.At(path...).Hint("remove it, or look at the object, like object.metadata.name").Problemf("the condition is true for every object")
	case constant:
		doc.At(path...).Hint("remove the rule, or look at the object, like object.metadata.name").Problemf("no object can match: the condition is false for every one")
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
