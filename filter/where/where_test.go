package where_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/syncer-io/syncer/filter/where"
)

func deployment() map[string]any {
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{
			"name": "web", "namespace": "shop",
			"labels": map[string]any{"tier": "front", "example.com/team": "a"},
		},
		"spec": map[string]any{
			"replicas": int64(3), "ratio": 1.5, "paused": false, "nothing": nil,
			"containers": []any{map[string]any{"image": "nginx:1"}, map[string]any{"image": "redis:2"}},
		},
	}
}

func TestMatch(t *testing.T) {
	for expr, want := range map[string]bool{
		`true`:                                                                       true,
		`object.spec.replicas > 0`:                                                   true,
		`object.spec.replicas == 3`:                                                  true,
		`object.spec.replicas >= 3.5`:                                                false,
		`object.spec.ratio > 1`:                                                      true,
		`object.spec.paused == false`:                                                true,
		`!object.spec.paused`:                                                        true,
		`object.spec.nothing == null`:                                                true,
		`object.metadata.name.startsWith("we")`:                                      true,
		`object.metadata.name.matches("^w.b$")`:                                      true,
		`object.metadata.name.upperAscii() == "WEB"`:                                 true,
		`object.metadata.labels["example.com/team"] == "a"`:                          true,
		`object.metadata.labels[?"gone"].orValue("x") == "x"`:                        true,
		`object.?spec.?strategy.?type.orValue("none") == "none"`:                     true,
		`has(object.spec.strategy)`:                                                  false,
		`has(object.spec.strategy) && object.spec.strategy.type == "x"`:              false,
		`object.spec.containers.exists(c, c.image.startsWith("redis"))`:              true,
		`object.spec.containers.all(c, c.image.endsWith(":1"))`:                      false,
		`"tier" in object.metadata.labels`:                                           true,
		`sets.contains(["front", "back"], [object.metadata.labels.tier])`:            true,
		`object.spec.containers.map(c, c.image.split(":")[0]) == ["nginx", "redis"]`: true,
		`object.spec.gone == 1 || object.kind == "Deployment"`:                       true,
	} {
		p, err := where.Compile(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got, err := p.Match(deployment()); got != want || err != nil {
			t.Errorf("%s is %t, %v; want %t", expr, got, err, want)
		}
	}
}

// TestConstants has expressions whose value no object changes, and such that look
// like them.
func TestConstants(t *testing.T) {
	for expr, want := range map[string]string{
		"true": "true", "1 == 2": "false", "true || object.a == 1": "true", "object.a == 1 && false": "false",
		"[1, 2].all(x, x > 0)": "true", "object.a == 1 || 'x'.startsWith('x')": "true",
		"object.a == 1": "", "true && has(object.a)": "", "object.l.all(x, true)": "", "'a' in object": "", "1/0 == 1": "",
		"[object.a].exists(x, x == 1)": "", "object == object": "",
	} {
		p, err := where.Compile(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		got := ""
		if value, is := p.Constant(); is {
			got = strconv.FormatBool(value)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// TestMisses has expressions that an object has no answer to: it does not
// match, and the reason is kept.
func TestMisses(t *testing.T) {
	for expr, want := range map[string]string{
		`object.spec.gone > 0`:                                     "the object has no field gone; test with has(",
		`object.metadata.labels["gone"] == "x"`:                    "the object has no field gone; test with has(",
		`object.spec.containers[7].image == ""`:                    "index out of bounds: 7",
		`object.spec.replicas > "2"`:                               "no such overload",
		`object.spec.replicas / 0 == 1`:                            "division by zero",
		`!object.metadata.name`:                                    "no such overload",
		`int(object.metadata.name) == 1`:                           "type conversion error from 'string' to 'int'",
		`object.metadata.name.matches(object.metadata.name + "(")`: "error parsing regexp: missing closing )",
	} {
		p, err := where.Compile(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		got, err := p.Match(deployment())
		var miss *where.Miss
		if got || !errors.As(err, &miss) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %t, %v; want %s", expr, got, err, want)
		}
	}
}

const unfinished = "write what comes next, or remove what waits for it"

func TestCompileProblems(t *testing.T) {
	for expr, want := range map[string]where.Problem{
		"objekt.spec.x == 1":              {0, "undeclared reference to 'objekt'", "did you mean 'object'?"},
		"object.a == 1 &&\n  spec.x == 1": {19, "undeclared reference to 'spec'", "the only variable is object, like object.metadata.name"},
		"'ä' == 'ö' && self.a == 1":       {14, "undeclared reference to 'self'", "the only variable is object, like object.metadata.name"},
		"object.a = 1":                    {9, "not an expression in CEL: '=' is not expected here", "equality is =="},
		" \n":                             {0, "the expression is empty", "write one, or remove the field"},
		"object.spec.replicas":            {0, "the expression may be anything, not just true or false", "compare it, like: object.spec.paused == false"},
		"1 + 1":                           {0, "the expression is of type int, not true or false", "compare it, like: object.spec.paused == false"},
		"'a' == 1":                        {4, "found no matching overload for '_==_' applied to '(string, int)'", ""},
		`object.a.matches("(")`:           {17, "not a regular expression", "write it as RE2 reads it, like ^app-[0-9]+$"},
		"object.a == ":                    {12, "the expression is unfinished", unfinished},
		"object.":                         {7, "the expression is unfinished", unfinished},
		"true &&\n object.a &&":           {20, "the expression is unfinished", unfinished},
		"(object.a == 1":                  {14, "')' is missing here", "close what is open"},
		"object.a == 'x":                  {12, "the text has no end", "close it with '"},
		`object.a == "\q"`:                {12, "the text has an escape that CEL does not know", `write \\ for a plain backslash`},
		"object.a == 1 and object.b == 1": {14, "not an expression in CEL: 'and' is not expected here", "write && for and"},
		"object.a == 1 | object.b == 1":   {14, "not an expression in CEL: '|' is not expected here", "write || for or"},
		"x = 0":                           {2, "not an expression in CEL: '=' is not expected here", "equality is =="},
		"if object.a":                     {0, "reserved identifier: if", ""},
	} {
		p, err := where.Compile(expr)
		var e *where.Error
		if p != nil || !errors.As(err, &e) {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		if len(e.Problems) != 1 || e.Problems[0] != want {
			t.Errorf("%q:\ngot  %+v\nwant %+v", expr, e.Problems, want)
		}
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	_, err := where.Compile("foo.a == 1 && bar.b == 2")
	var e *where.Error
	if !errors.As(err, &e) || len(e.Problems) != 2 || e.Problems[1].Offset != 14 {
		t.Errorf("got %+v", err)
	}
}

// TestCostIsLimited has expressions that ask for too much: before they meet an
// object where that is certain, and otherwise when they do.
func TestCostIsLimited(t *testing.T) {
	tens := "[0,1,2,3,4,5,6,7,8,9]"
	for _, expr := range []string{
		strings.Repeat("x", where.MaxLength+1),
		strings.Repeat("(", 500) + "true" + strings.Repeat(")", 500),
		tens + ".all(a, " + tens + ".all(b, " + tens + ".all(c, " + tens + ".all(d, true))))",
	} {
		if _, err := where.Compile(expr); err == nil {
			t.Errorf("%.60s… is accepted", expr)
		}
	}
	p, err := where.Compile("object.a.all(x, object.a.all(y, object.a.all(z, x + y + z >= 0)))")
	if err != nil {
		t.Fatal(err)
	}
	list := make([]any, 1000)
	for i := range list {
		list[i] = int64(i)
	}
	if got, err := p.Match(map[string]any{"a": list}); got || !errors.Is(err, where.ErrTooCostly) {
		t.Errorf("got %t, %v", got, err)
	}
	if got, err := p.Match(map[string]any{"a": list[:5]}); !got || err != nil {
		t.Errorf("got %t, %v", got, err)
	}
}

func TestProgramsAreConcurrent(t *testing.T) {
	p, err := where.Compile("object.n == object.m && object.list.exists(x, x == object.n)")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range int64(8) {
		wg.Go(func() {
			for j := range int64(50) {
				obj := map[string]any{"n": i, "m": j % 8, "list": []any{j % 8, "x"}}
				if got, err := p.Match(obj); got != (i == j%8) || err != nil {
					t.Errorf("%d %d: %t, %v", i, j, got, err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkMatch(b *testing.B) {
	p, err := where.Compile("object.spec.replicas > 0 && object.metadata.name.startsWith('w')")
	if err != nil {
		b.Fatal(err)
	}
	obj := deployment()
	for b.Loop() {
		if ok, err := p.Match(obj); !ok || err != nil {
			b.Fatal(err)
		}
	}
}
