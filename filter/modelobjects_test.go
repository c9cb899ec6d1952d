package filter

import (
	"bytes"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/filter/transform"
	"github.com/syncer-io/syncer/replicator/change"
)

// The words that random policies and objects are made of are few, so that they
// meet.
var (
	modelNamespaces = []string{"a", "ab", "b", "c", "kube-system"}
	modelNames      = []string{"x", "xy", "y", "kube-root-ca.crt"}
	modelGlobs      = []string{"a", "a*", "?", "*b", "b", "c", "*", "kube-*", "kube-system"}
	modelNameGlobs  = []string{"x", "x*", "?", "*y", "*"}
	modelResources  = []string{"configmaps", "namespaces", "widgets.example.com"}
	modelWhere      = "object.metadata.labels.t == '1'"
)

func genObjectRule() *rapid.Generator[Rule] {
	few := func(t *rapid.T, label string, from []string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, 2, rapid.ID).Draw(t, label)
	}
	return rapid.Custom(func(t *rapid.T) Rule {
		r := Rule{
			Resources:        rapid.SliceOfNDistinct(rapid.SampledFrom(append([]string{"*"}, modelResources...)), 1, 2, rapid.ID).Draw(t, "resources"),
			Namespaces:       few(t, "namespaces", modelGlobs),
			ExceptNamespaces: few(t, "exceptNamespaces", modelGlobs),
			Names:            few(t, "names", modelNameGlobs),
			ExceptNames:      few(t, "exceptNames", modelNameGlobs),
			Labels:           rapid.SampledFrom([]string{"", "", "t", "t=1", "t!=1"}).Draw(t, "labels"),
			Where:            rapid.SampledFrom([]string{"", "", modelWhere}).Draw(t, "where"),
			OnLeave:          rapid.SampledFrom([]OnLeave{"", LeaveOrphan}).Draw(t, "onLeave"),
		}
		if rapid.Bool().Draw(t, "moved") {
			r.Transform = append(r.Transform, transform.Step{Namespace: &transform.Namespace{
				From: rapid.SampledFrom(modelNamespaces).Draw(t, "from"), To: rapid.SampledFrom([]string{"b", "c", "d"}).Draw(t, "to"),
			}})
		}
		if rapid.Bool().Draw(t, "elsewhere") {
			r.To = to("/edge/")
		}
		return r
	})
}

// genStoragePrefixRule draws rules for keys that meet those of objects.
func genStoragePrefixRule() *rapid.Generator[Rule] {
	return rapid.Custom(func(t *rapid.T) Rule {
		r := Rule{Prefix: rapid.SampledFrom([]string{"/registry/configmaps/a", "/registry/configmaps/b/", "/registry/example.com/", "/registry/"}).Draw(t, "prefix")}
		if rapid.Bool().Draw(t, "excludes") {
			r.Exclude = []string{r.Prefix + "b"}
		}
		r.AllowSecrets, r.Raw, r.To = true, true, to("/raw/"+strings.Trim(r.Prefix, "/")+"-/")
		return r
	})
}

func genMixedPolicy() *rapid.Generator[Policy] {
	rule := rapid.OneOf(genObjectRule(), genObjectRule(), genObjectRule(), genStoragePrefixRule())
	return rapid.Custom(func(t *rapid.T) Policy {
		p := policyOf(Rule{Resources: []string{"configmaps"}, Names: []string{"y"}, Labels: "t=1"})
		for _, r := range rapid.SliceOfN(rule, 1, 5).Draw(t, "rules") {
			next := p
			if next.Spec.Rules = append(slices.Clone(p.Spec.Rules), r); next.Validate(DefaultCluster) == nil {
				p = next
			}
		}
		return p
	})
}

// modelObject is an object and where it is stored.
type modelObject struct {
	word, namespace, name string
	labels                map[string]string
	called                string // its name by its own account
	binary                bool   // it is stored as protobuf
}

func genModelObject() *rapid.Generator[modelObject] {
	return rapid.Custom(func(t *rapid.T) modelObject {
		o := modelObject{
			word:      rapid.SampledFrom(modelResources).Draw(t, "resource"),
			namespace: rapid.SampledFrom(modelNamespaces).Draw(t, "namespace"),
			name:      rapid.SampledFrom(modelNames).Draw(t, "name"),
			binary:    rapid.Bool().Draw(t, "binary"),
		}
		switch o.word {
		case "namespaces":
			o.namespace, o.name = "", o.namespace
		case "widgets.example.com":
			o.namespace = rapid.SampledFrom([]string{o.namespace, ""}).Draw(t, "scope")
		}
		if value := rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "label"); value != "" {
			o.labels = map[string]string{"t": value}
		}
		o.called = o.name
		if rapid.IntRange(0, 9).Draw(t, "wrong") == 0 {
			o.called = "other"
		}
		return o
	})
}

var modelKinds = map[string][2]string{
	"configmaps": {"v1", "ConfigMap"}, "namespaces": {"v1", "Namespace"}, "widgets.example.com": {"example.com/v1", "Widget"},
}

func (o modelObject) key() []byte {
	resource := map[string]string{"widgets.example.com": "example.com/widgets"}[o.word]
	if resource == "" {
		resource = o.word
	}
	return []byte(path.Join("/registry", resource, o.namespace, o.name))
}

// value is how it is stored, with a uid, which does not cross.
func (o modelObject) value(t interface{ Fatalf(string, ...any) }) []byte {
	meta := metav1.ObjectMeta{Namespace: o.namespace, Name: o.called, UID: "0e1a", Labels: o.labels}
	var object runtime.Object = &corev1.ConfigMap{ObjectMeta: meta}
	if o.word == "namespaces" {
		object = &corev1.Namespace{ObjectMeta: meta}
	}
	if kind := modelKinds[o.word]; !o.binary || o.word == "widgets.example.com" {
		return canonical(t, kind, o.namespace, o.called, o.labels, "0e1a")
	}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatalf("%v", err)
	}
	object.GetObjectKind().SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(modelKinds[o.word][1]))
	value, err := runtime.Encode(protobuf.NewSerializer(scheme, scheme), object)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return value
}

func canonical(t interface{ Fatalf(string, ...any) }, kind [2]string, namespace, name string, labels map[string]string, uid string) []byte {
	meta := map[string]any{"name": name}
	for field, value := range map[string]string{"namespace": namespace, "uid": uid} {
		if value != "" {
			meta[field] = value
		}
	}
	if len(labels) > 0 {
		meta["labels"] = labels
	}
	text, err := json.Marshal(map[string]any{"apiVersion": kind[0], "kind": kind[1], "metadata": meta})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return text
}

// takeSlowly is what Take must do, said rule by rule. What does not cross is
// outside: whether a rule is about its key is another question.
func takeSlowly(t interface{ Fatalf(string, ...any) }, p Policy, o modelObject, value []byte) Outcome {
	key := string(o.key())
	for i, r := range p.Spec.Rules {
		if !r.ofObjects() {
			if rest, is := strings.CutPrefix(key, r.Prefix); is && !excluded(r, []byte(key)) {
				return Outcome{Verdict: Selected, Rule: i, Key: []byte(r.target() + rest), Value: value}
			} else if is {
				return Outcome{}
			}
			continue
		}
		if !slices.Contains(r.Resources, o.word) && (!slices.Contains(r.Resources, "*") || o.word == "widgets.example.com") {
			continue
		}
		scope := o.namespace
		if o.word == "namespaces" {
			scope = o.name
		}
		if !selectsSlowly(r.Namespaces, scope) || !selectsSlowly(r.Names, o.name) ||
			strings.HasPrefix(scope, "kube-") && !slices.Contains(r.Namespaces, scope) {
			continue
		}
		if scope != "" && matchesSlowly(r.ExceptNamespaces, scope) || matchesSlowly(r.ExceptNames, o.name) {
			return Outcome{}
		}
		withheld := o.word == "configmaps" && o.name == "kube-root-ca.crt"
		if o.called != o.name && withheld {
			return Outcome{} // by its key, whatever its labels are
		}
		if o.called != o.name {
			return Outcome{Verdict: Refused, Rule: i}
		}
		selector, err := labels.Parse(r.Labels)
		if err != nil {
			t.Fatalf("%v", err)
		}
		if !selector.Matches(labels.Set(o.labels)) {
			continue
		}
		if withheld {
			return Outcome{}
		}
		if r.Where != "" && o.labels["t"] != "1" {
			continue
		}
		return deliverSlowly(t, i, r, o)
	}
	return Outcome{}
}

func deliverSlowly(t interface{ Fatalf(string, ...any) }, i int, r Rule, o modelObject) Outcome {
	for _, s := range r.Transform {
		if o.namespace == s.Namespace.From {
			o.namespace = s.Namespace.To
		}
		if o.word == "namespaces" && o.name == s.Namespace.From {
			o.name = s.Namespace.To
		}
	}
	return Outcome{
		Verdict: Selected, Rule: i, Key: []byte(r.target() + path.Join(o.word, o.namespace, o.name)),
		Value: canonical(t, modelKinds[o.word], o.namespace, o.name, o.labels, ""),
	}
}

// selectsSlowly: no patterns select everything; some select nothing that has no
// namespace.
func selectsSlowly(patterns []string, s string) bool {
	return len(patterns) == 0 || s != "" && matchesSlowly(patterns, s)
}

func matchesSlowly(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, s)
		return ok && err == nil
	})
}

func TestTakeFollowsTheRules(t *testing.T) {
	verdicts := map[Verdict]int{}
	rapid.Check(t, func(t *rapid.T) {
		p := genMixedPolicy().Draw(t, "policy")
		s := compiled(t, p)
		for _, o := range rapid.SliceOfN(genModelObject(), 1, 20).Draw(t, "objects") {
			key, value := o.key(), o.value(t)
			want, got := takeSlowly(t, p, o, value), s.Take(key, value)
			verdicts[got.Verdict]++
			same := got.Verdict == want.Verdict || want.Verdict == Outside && got.Verdict == Left
			if !same || !bytes.Equal(got.Key, want.Key) || !bytes.Equal(got.Value, want.Value) || want.Verdict >= Selected && got.Rule != want.Rule {
				t.Fatalf("%s: got %+v\n%s %s\nwant %+v\n%s %s", key, got, got.Key, got.Value, want, want.Key, want.Value)
			}
			checkPlaces(t, s, key, got)
			checkExplanation(t, s, key, value, got)
		}
	})
	for _, v := range []Verdict{Outside, Left, Selected, Refused} {
		if verdicts[v] == 0 {
			t.Errorf("no object was %s", verdictWords[v])
		}
	}
}

// checkPlaces holds the answers about keys against the decision.
func checkPlaces(t *rapid.T, s *Selection, key []byte, got Outcome) {
	places := s.Places(key)
	if about := len(places) > 0; about != s.Covers(key) || about != in(s.SourceRanges(), key) || about == (got.Verdict == Outside) {
		t.Fatalf("%s is %s, and has the places %q", key, verdictWords[got.Verdict], places)
	}
	if got.Verdict == Selected && !slices.ContainsFunc(places, func(p []byte) bool { return bytes.Equal(p, got.Key) }) {
		t.Fatalf("%s is delivered as %s, and has the places %q", key, got.Key, places)
	}
	for _, place := range places {
		if back, ok := s.Unmap(place); !ok || !bytes.Equal(back, key) || !s.Contains(place) || RuleOf(s.Rules(), place) < 0 {
			t.Fatalf("%s has the place %s, which is that of %s", key, place, back)
		}
		one := change.Range{Lo: place, Hi: append(slices.Clone(place), 0)}
		parts := s.UnmapRange(one)
		if len(parts) != 1 || !parts[0].Source.Contains(key) || !bytes.Equal(parts[0].Map(key), place) {
			t.Fatalf("%s has the place %s, and its range is that of %+v", key, place, parts)
		}
	}
}

func checkExplanation(t *rapid.T, s *Selection, key, value []byte, got Outcome) {
	e := s.Explain(key, value)
	if e.Verdict != verdictWords[got.Verdict] || e.Delivered != string(got.Key) || len(e.Rules) != len(s.Rules()) {
		t.Fatalf("%s: explained as %+v, and taken as %+v", key, e, got)
	}
	if got.Verdict == Selected && (e.Rules[got.Rule].Says != "selects" || e.Rule != s.Rules()[got.Rule].Name) {
		t.Fatalf("%s: selected by rule %d, explained by %+v", key, got.Rule, e.Rules)
	}
}

// No two objects have one place, even where both could be delivered.
func TestPlacesAreOfOneObject(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := compiled(t, genMixedPolicy().Draw(t, "policy"))
		owner := map[string]string{}
		for _, o := range rapid.SliceOfN(genModelObject(), 2, 30).Draw(t, "objects") {
			for _, place := range s.Places(o.key()) {
				if first, taken := owner[string(place)]; taken && first != string(o.key()) {
					t.Fatalf("%s and %s are delivered as %s", first, o.key(), place)
				}
				owner[string(place)] = string(o.key())
			}
		}
	})
}

// A policy that is compiled again does the same; equal digests do the same.
func TestEqualDigestsDoTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := genMixedPolicy().Draw(t, "p"), genMixedPolicy().Draw(t, "q")
		a, b := compiled(t, p), compiled(t, q)
		if again := compiled(t, p); again.Digest() != a.Digest() {
			t.Fatalf("%s becomes %s", a.Digest(), again.Digest())
		}
		for _, o := range rapid.SliceOfN(genModelObject(), 1, 10).Draw(t, "objects") {
			key, value := o.key(), o.value(t)
			x, y := a.Take(key, value), b.Take(key, value)
			differ := x.Verdict != y.Verdict || x.Orphan != y.Orphan || !bytes.Equal(x.Key, y.Key) || !bytes.Equal(x.Value, y.Value)
			if differ && a.Digest() == b.Digest() {
				t.Fatalf("both are %s, and take %s as %+v and %+v", a.Digest(), key, x, y)
			}
		}
	})
}
