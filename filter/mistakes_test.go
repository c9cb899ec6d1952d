package filter

import (
	"errors"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter/strictyaml"
)

// mistakes are policies with one mistake each: the text of spec.
var mistakes = []struct{ name, spec string }{
	{"a rule about nothing", "rules: [{name: a}]"},
	{"two kinds of rule", `rules: [{resources: [configmaps], prefix: ""}]`},
	{"a kind instead of a resource", "rules: [{resources: [Deployment]}]"},
	{"the group left out", "rules: [{resources: [deployments]}]"},
	{"a mistyped resource", "rules: [{resources: [confgmaps]}]"},
	{"a short name", "rules: [{resources: [crds]}]"},
	{"a short name of few letters", "rules: [{resources: [po]}]"},
	{"the group first", "rules: [{resources: [apps.deployments]}]"},
	{"a group with dots first", "rules: [{resources: [networking.k8s.io.ingresses]}]"},
	{"a few letters that are nothing", "rules: [{resources: [logs]}]"},
	{"all of a group", `rules: [{resources: ["*.example.com"]}]`},
	{"all of a built-in group", `rules: [{resources: ["*.apps"]}]`},
	{"all of no group", `rules: [{resources: ["*.Apps"]}]`},
	{"namespaces of what is in none", "rules: [{resources: [storageclasses.storage.k8s.io], namespaces: [a]}]"},
	{"secrets without consent", "rules: [{resources: [secrets], namespaces: [a]}]"},
	{"secrets of everywhere", "rules: [{resources: [secrets], allowSecrets: true}]"},
	{"secrets of any name", `rules: [{resources: [secrets], allowSecrets: true, namespaces: ["*"]}]`},
	{"consent in another word", "rules: [{resources: [secrets], namespaces: [a], allowSecrets: yes}]"},
	{"consent to bytes in another word", "rules: [{prefix: /registry/, allowSecrets: true, raw: yes}]"},
	{"secrets by their bytes", "rules: [{prefix: /registry/sec}]"},
	{"secrets less some", "rules: [{prefix: /registry/secrets/, exclude: [/registry/secrets/a]}]"},
	{"secrets of all keys", "rules: [{prefix: /}]"},
	{"secrets of raw storage", "rules: [{prefix: /registry/, raw: true}]"},
	{"a cluster by its bytes", "rules: [{prefix: /registry/}]"},
	{"a cluster without the slash", "rules: [{prefix: /registry, allowSecrets: true}]"},
	{"a cluster less its secrets", "rules: [{prefix: /registry/, exclude: [/registry/secrets/]}]"},
	{"some of a cluster by its bytes", "rules: [{prefix: /registry/services/}]"},
	{"a custom group by its bytes", "rules: [{prefix: /registry/example.com/}]"},
	{"some custom groups by their bytes", "rules: [{prefix: /registry/ex}]"},
	{"raw objects", "rules: [{resources: [configmaps], raw: true}]"},
	{"a namespace that cannot be", "rules: [{resources: [configmaps], namespaces: [Shop]}]"},
	{"a name that cannot be", "rules: [{resources: [configmaps], names: [App_*]}]"},
	{"a name that begins with a hyphen", `rules: [{resources: [configmaps], names: ["-*"]}]`},
	{"a name with two dots", `rules: [{resources: [configmaps], exceptNames: ["a..b"]}]`},
	{"a name that ends with a dot", `rules: [{resources: [configmaps], names: ["*."]}]`},
	{"a hyphen beside a dot", `rules: [{resources: [widgets.example.com], names: ["a-.*"]}]`},
	{"every namespace is excepted", `rules: [{resources: ["*"], exceptNamespaces: ["a", "*"]}]`},
	{"every namespace is excepted by default", `{defaults: {exceptNamespaces: ["?*"]}, rules: [{resources: [configmaps]}]}`},
	{"a namespace of another name", "rules: [{resources: [namespaces], names: [shop], namespaces: [dev]}]"},
	{"namespaces of other names", `rules: [{resources: [namespaces], names: ["shop-*x", "*-dev"], namespaces: ["*-dev", "prod-?"], exceptNamespaces: ["x*"]}]`},
	{"a system namespace by its name", "rules: [{resources: [namespaces], names: [kube-system]}]"},
	{"a namespace that stays behind", `rules: [{resources: [namespaces], names: [shop], exceptNamespaces: ["s*"]}]`},
	{"a name of every namespace", "rules: [{resources: [configmaps], names: [app, kube-root-ca.crt]}]"},
	{"names of the control plane", `rules: [{resources: [clusterroles.rbac.authorization.k8s.io], names: ["system:*"]}]`},
	{"a name of every cluster", "rules: [{resources: [services], names: [kubernetes], namespaces: [default]}]"},
	{"a namespace in a name", "rules: [{resources: [roles.rbac.authorization.k8s.io], names: [shop/app]}]"},
	{"a namespace that is excepted", `rules: [{resources: [configmaps], namespaces: [shop, dev], exceptNamespaces: ["s*"]}]`},
	{"namespaces that are excepted", `rules: [{resources: [configmaps], namespaces: ["team-?"], exceptNamespaces: ["team-*"]}]`},
	{"every name is excepted", `rules: [{resources: [configmaps], exceptNames: ["*"]}]`},
	{"not a selector", `rules: [{resources: [configmaps], labels: "tier in web"}]`},
	{"two values of one label", `rules: [{resources: [configmaps], labels: "tier=web,tier=db"}]`},
	{"there and not there", `rules: [{resources: [configmaps], labels: "tier,!tier"}]`},
	{"no number between", `rules: [{resources: [configmaps], labels: "n>4,n<5"}]`},
	{"an empty selector", `rules: [{resources: [configmaps], labels: ""}]`},
	{"a variable without a value", `{variables: {sync: ""}, rules: [{resources: [configmaps], where: "${sync}"}]}`},
	{"not CEL", `rules: [{resources: [configmaps], where: "object.data.a =="}]`},
	{"one equals sign", `rules: [{resources: [configmaps], where: "x = 0"}]`},
	{"not a condition", `rules: [{resources: [configmaps], where: "object.spec.replicas"}]`},
	{"a move from elsewhere", "rules: [{resources: [configmaps], namespaces: [shop], transform: [{namespace: {from: dev, to: x}}]}]"},
	{"a move onto others", "rules: [{resources: [configmaps], transform: [{namespace: {from: dev, to: x}}]}]"},
	{"a mistyped field of a move", "rules: [{resources: [configmaps], transform: [{namespace: {form: a, to: b}}]}]"},
	{"a mistyped step", "rules: [{resources: [configmaps], transform: [{setField: {data.a: x}}]}]"},
	{"a mistyped field of its own", "rules: [{resource: [configmap]}]"},
	{"a variable without quotes", "rules: [{resources: [configmaps], transform: [{namespace: {from: shop, to: shop-${edge.name}}}]}]"},
	{"another name", "rules: [{resources: [configmaps], transform: [{setFields: {metadata.name: x}}]}]"},
	{"another kind", `rules: [{resources: [configmaps], transform: [{patch: [{op: replace, path: /kind, value: Secret}]}]}]`},
	{"a mistyped field", "rules: [{resources: [deployments.apps], transform: [{setFields: {spec.replcas: 1}}]}]"},
	{"a mistyped field to drop", `rules: [{resources: ["*"], transform: [{dropFields: ["spec.template.spec.containers[*].recources"]}]}]`},
	{"a field of another kind", "rules: [{resources: [configmaps, secrets], allowSecrets: true, namespaces: [a], transform: [{setFields: {spec.replicas: 1}}]}]"},
	{"text instead of a number", "rules: [{resources: [deployments.apps], transform: [{setFields: {spec.replicas: three}}]}]"},
	{"a number instead of text", "rules: [{resources: [configmaps], transform: [{setFields: {data.workers: 8}}]}]"},
	{"no quantity", `rules: [{resources: [deployments.apps], transform: [{setFields: {"spec.template.spec.containers[*].resources.limits.cpu": lots}}]}]`},
	{"a mistyped field in a value", "rules: [{resources: [deployments.apps], transform: [{setFields: {spec.strategy: {typ: Recreate}}}]}]"},
	{"storage as a destination", "rules: [{resources: [configmaps], to: /registry/}]"},
	{"one place for two rules", "rules:\n    - {resources: [configmaps], namespaces: [a], transform: [{namespace: {from: a, to: b}}]}\n    - {resources: [configmaps], namespaces: [b]}"},
	{"never reached", "rules:\n    - {resources: [\"*\"]}\n    - {resources: [services], namespaces: [a]}"},
	{"the same names again", "rules:\n    - {resources: [configmaps], names: [app-*]}\n    - {resources: [configmaps], names: [app-*]}"},
	{"names within names", "rules:\n    - {resources: [configmaps], names: [\"*-web\", \"app-*\"]}\n    - {resources: [configmaps], names: [app-x, a-web]}"},
	{"the same labels in one namespace", "rules:\n    - {resources: [configmaps], labels: sync=true}\n    - {resources: [configmaps], labels: sync=true, namespaces: [shop]}"},
	{"the same labels and more", "rules:\n    - {resources: [configmaps], labels: sync=true}\n    - {resources: [configmaps], labels: \"tier!=debug,sync=true\"}"},
	{"the same condition again", "rules:\n    - {resources: [configmaps], where: object.data.a == \"1\"}\n    - {resources: [configmaps], where: object.data.a == \"1\", names: [a]}"},
	{"namespaces within namespaces", "rules:\n    - {resources: [configmaps], namespaces: [\"*-a\", b]}\n    - {resources: [configmaps], namespaces: [b, x-a]}"},
	{"always true", `rules: [{resources: [configmaps], where: "object.a == 1 || true"}]`},
	{"never true", `rules: [{resources: [configmaps], where: "false"}]`},
	{"conditions of a rule for keys", "rules: [{prefix: /a/, labels: sync=true}]"},
	{"a mistyped winner", "rules: [{prefix: /a/, conflict: edge-win}]"},
	{"a winner for all that nobody is", "{defaults: {conflict: newest}, rules: [{prefix: /a/}]}"},
	{"a mistyped preset", "rules: [{resources: [deployments.apps], ignoreFields: [{preset: hpa-replica}]}]"},
	{"a preset for other resources", "rules: [{resources: [configmaps, services], ignoreFields: [{preset: pvc-volume}]}]"},
	{"a preset and paths", "rules: [{prefix: /a/, ignoreFields: [{preset: pvc-volume, paths: [spec.x]}]}]"},
	{"a preset with a condition", "rules: [{prefix: /a/, ignoreFields: [{preset: pvc-volume, when: onEdgeChange}]}]"},
	{"ignored fields without a field", "rules: [{prefix: /a/, ignoreFields: [{when: onEdgeChange}]}]"},
	{"ignored fields without an entry", "rules: [{prefix: /a/, ignoreFields: [{paths: []}]}]"},
	{"a mistyped condition", "rules: [{prefix: /a/, ignoreFields: [{paths: [a], when: onEdgeChanged}]}]"},
	{"a mistyped field of an entry", "rules: [{prefix: /a/, ignoreFields: [{path: [a]}]}]"},
	{"a JSON pointer to ignore", "rules: [{prefix: /a/, ignoreFields: [{paths: [b, /spec/replicas]}]}]"},
	{"an open bracket to ignore", `rules: [{prefix: /a/, ignoreFields: [{paths: ["a[*"]}]}]`},
	{"a star to ignore", "rules: [{prefix: /a/, ignoreFields: [{paths: [spec.*]}]}]"},
	{"a name to ignore", "rules: [{resources: [configmaps], ignoreFields: [{paths: [metadata.name]}]}]"},
	{"a status to ignore", "rules: [{resources: [configmaps], ignoreFields: [{paths: [status.replicas]}]}]"},
	{"a mistyped variable", `{variables: {region: eu}, rules: [{resources: [configmaps], labels: "sync=true,r=${regoin}"}]}`},
	{"a variable in a variable", `{variables: {a: x, b: "${a}"}, rules: [{prefix: "/${b}/"}]}`},
	{"a mistyped variable of the edge", `rules: [{prefix: "/${edge.nam}/"}]`},
	{"an open variable", `rules: [{prefix: "/${edge.name/"}]`},
}

// TestMistakes finds one message for each mistake. All of them are in one file,
// to be read.
func TestMistakes(t *testing.T) {
	var all strings.Builder
	for _, m := range mistakes {
		var r strictyaml.Report
		text := "apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec:\n  " + m.spec + "\n"
		Parse(&r, "policy.yaml", []byte(text), DefaultCluster)
		var errs *strictyaml.Errors
		if !errors.As(r.Err(), &errs) {
			t.Errorf("%s is accepted:\n%s", m.name, text)
			continue
		}
		if len(errs.Problems) != 1 {
			t.Errorf("%s has %d messages:\n%v", m.name, len(errs.Problems), errs)
		}
		all.WriteString("# " + m.name + "\n" + errs.Error() + "\n\n")
	}
	compare(t, "testdata/mistakes.txt", all.String())
}

// A field that was probably meant is still looked into when it is there too.
func TestMistypedFieldBesideTheRightOne(t *testing.T) {
	var r strictyaml.Report
	Parse(&r, "policy.yaml", []byte("apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec:\n  rules: [{resource: [configmap], resources: [deployments]}]\n"), DefaultCluster)
	var errs *strictyaml.Errors
	if !errors.As(r.Err(), &errs) || len(errs.Problems) != 2 {
		t.Errorf("got %v", r.Err())
	}
}

// Five mistakes of somebody who has never written a policy are five messages.
func TestMistakesOfAStranger(t *testing.T) {
	_, err := Load("testdata/golden/stranger.yaml", DefaultCluster)
	var errs *strictyaml.Errors
	if !errors.As(err, &errs) || len(errs.Problems) != 5 {
		t.Fatalf("got %v", err)
	}
	for _, p := range errs.Problems {
		if p.Line == 0 || p.Column == 0 || p.Hint == "" || p.Excerpt == "" {
			t.Errorf("of little use: %v", p)
		}
	}
}

// What looks like a mistake and is none.
func TestNoMistake(t *testing.T) {
	for name, spec := range map[string]string{
		"two labels of the edge":             `rules: [{resources: [configmaps], namespaces: ["${edge.labels.a}"], transform: [{namespace: {from: "${edge.labels.a}", to: "${edge.labels.b}"}}]}]`,
		"labels of other letters":            `rules: [{resources: [configmaps], namespaces: ["${edge.labels.a.b}"], transform: [{namespace: {from: "${edge.labels.a.b}", to: "${edge.labels.a-b}"}}]}]`,
		"secrets left out":                   "rules: [{prefix: /registry/, exclude: [/registry/secrets/], raw: true}]",
		"secrets allowed":                    "rules: [{prefix: /registry/, allowSecrets: true, raw: true}]",
		"one resource by its bytes":          "rules: [{prefix: /registry/configmaps/}, {prefix: /registry/example.com/widgets/}, {prefix: /registry/services/, exclude: [/registry/services/endpoints/]}]",
		"all keys less a cluster":            "rules: [{prefix: /, exclude: [/registry/]}]",
		"all keys":                           `rules: [{prefix: "", allowSecrets: true}]`,
		"plain keys near a cluster":          "rules: [{prefix: /registry/flags/}, {prefix: /registry2/}, {prefix: /flags/}]",
		"hyphens and dots":                   `rules: [{resources: [configmaps], names: ["?-*", "a.*", "*.b", "a--b"]}]`,
		"outside of namespaces":              `rules: [{resources: [clusterroles.rbac.authorization.k8s.io, configmaps], exceptNamespaces: ["*"]}, {resources: [widgets.example.com], exceptNamespaces: ["*"]}]`,
		"names of namespaces":                `rules: [{resources: [namespaces], names: ["a*", kube-system], namespaces: ["*a", kube-system]}]`,
		"names of more than every namespace": `rules: [{resources: [configmaps, secrets], names: [kube-root-ca.crt], namespaces: [a], allowSecrets: true}, {resources: [services], names: ["kubernetes"]}, {resources: [configmaps], names: ["kube-root-ca.crt*"]}]`,
		"other names":                        "rules:\n    - {resources: [configmaps], names: [app-*]}\n    - {resources: [configmaps], names: [app*]}",
		"fewer labels":                       "rules:\n    - {resources: [configmaps], labels: \"a,b\"}\n    - {resources: [configmaps], labels: a}",
		"other conditions":                   "rules:\n    - {resources: [configmaps], where: object.data.a == \"1\"}\n    - {resources: [configmaps], where: object.data.a == \"2\"}",
		"other namespaces":                   "rules:\n    - {resources: [configmaps], namespaces: [\"*-a\"]}\n    - {resources: [configmaps], namespaces: [\"*\"]}",
		"rules for one edge":                 `rules: [{resources: [configmaps], where: '"${edge.name}" == "muc"'}]`,
		"colons of roles":                    `rules: [{resources: [roles.rbac.authorization.k8s.io], names: ["App:*"]}]`,
		"part of what is excepted":           `rules: [{resources: [configmaps], namespaces: ["team-*"], exceptNamespaces: ["team-?"], names: ["*a"], exceptNames: ["*?a"]}]`,
		"a number between":                   `rules: [{resources: [configmaps], labels: "n>4,n<6,n!=6"}]`,
		"one that nobody names":              `rules: [{resources: [configmaps], labels: "a notin (b,c),a"}]`,
	} {
		var r strictyaml.Report
		Parse(&r, name, []byte("apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec:\n  "+spec+"\n"), DefaultCluster)
		if err := r.Err(); err != nil {
			t.Error(err)
		}
	}
}

// Rules that are the same for one edge are a mistake for nobody.
func TestRulesThatAreOneForAnEdge(t *testing.T) {
	var r strictyaml.Report
	text := `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: p}
spec:
  rules:
    - {resources: [configmaps], labels: "of=${edge.labels.a}"}
    - {resources: [configmaps], labels: "of=${edge.labels.b}"}
`
	policies := Parse(&r, "policy.yaml", []byte(text), DefaultCluster)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	filled, err := policies[0].Fill(Edge{Name: "muc", Labels: map[string]string{"a": "x", "b": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Compile(filled, DefaultCluster); err != nil {
		t.Error(err)
	}
}

// A pattern for some edges holds not for all, whatever stands for any edge.
func TestPatternForSomeEdgesIsNoMistake(t *testing.T) {
	for _, rules := range []string{
		`[{name: a, resources: [configmaps], names: ["edge-*"]}, {name: b, resources: [configmaps], names: ["${edge.name}"]}]`,
		`[{name: a, prefix: /sites/edge-}, {name: b, prefix: "/sites/${edge.name}/"}]`,
		`[{name: a, resources: [configmaps], names: ["${edge.name}"], exceptNames: ["edge-*"]}]`,
		`[{name: a, resources: [configmaps], namespaces: ["${edge.name}"], exceptNamespaces: ["edge-*", "store-*"]}]`,
	} {
		text := "apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec:\n  rules: " + rules + "\n"
		var report strictyaml.Report
		if Parse(&report, "p.yaml", []byte(text), DefaultCluster); report.Err() != nil {
			t.Errorf("%s: %v", rules, report.Err())
		}
	}
}
