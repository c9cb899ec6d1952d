package where_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/syncer-io/syncer/filter/where"
)

// FuzzCompile looks for an expression that panics, whose problems have no
// place, or that fails in an unknown way.
func FuzzCompile(f *testing.F) {
	for _, expr := range []string{
		"object.spec.replicas > 0", "has(object.a) && object.a.b in [1, 2u, 3.5]", "object.?a.orValue(1) == 1",
		"object.a.all(x, x.matches('^a+$'))", "sets.contains([1], object.l)", "'a'.replace('', 'b') == \"\"",
		"duration('1h') < timestamp('2024-01-01T00:00:00Z') - timestamp(object.t)", "objekt == 1 &&\n \"ä\" = 2", "[[[", "r'\\'", "{'a': 1}.a == 1",
		"'%s'.format([object]) == ''", "object.a.map(x, x).size() > 0", "[1].exists_one(x, x == 1)", "b'a' == bytes('a')",
	} {
		f.Add(expr)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		if !utf8.ValidString(expr) {
			return // a policy file is UTF-8
		}
		p, err := where.Compile(expr)
		if err != nil {
			var e *where.Error
			if !errors.As(err, &e) || len(e.Problems) == 0 {
				t.Fatalf("an error without problems: %v", err)
			}
			for _, q := range e.Problems {
				if q.Offset < 0 || q.Offset > utf8.RuneCountInString(expr) || q.Message == "" || strings.Contains(q.Message, "\n") {
					t.Fatalf("a problem without a place: %+v", q)
				}
			}
			return
		}
		matches, err := p.Match(deployment())
		if value, is := p.Constant(); is && err == nil && matches != value {
			t.Fatalf("it is always %t, and %t for an object", value, matches)
		}
		var miss *where.Miss
		if err != nil && !errors.As(err, &miss) && !errors.Is(err, where.ErrTooCostly) {
			t.Fatalf("an unknown failure: %v", err)
		}
	})
}
