package conflict

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestTableOfDecisions makes the table of docs/conflicts.md.
func TestTableOfDecisions(t *testing.T) {
	text, err := os.ReadFile("../docs/conflicts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "<!-- decisions -->\n")
	got, _, _ := strings.Cut(rest, "<!-- end -->")
	base, edge, source := some(`{"a":1}`), some(`{"a":1,"edge":true}`), some(`{"a":2}`)
	x, y, z := some("x"), some("y"), some("z")
	want := "| type | | `source-wins` | `edge-wins` | `hold` | `merge` |\n|---|---|---|---|---|---|\n"
	for _, row := range []struct {
		what string
		c    Case
	}{
		{"only the edge changed it", known(base, edge, base)},
		{"both changed it, different fields", known(base, edge, source)},
		{"both changed it, no JSON objects", known(x, y, z)},
		{"the base is not known", unknown(edge, source)},
		{"only the edge deleted it", known(base, none, base)},
		{"the edge deleted it, the source changed it", known(base, none, source)},
		{"the edge changed it, the source deleted it", known(base, edge, none)},
		{"the edge made it, the source has none", known(none, edge, none)},
		{"both deleted it", known(base, none, none)},
		{"both made it, different fields", known(none, edge, source)},
		{"both made it, no JSON objects", known(none, y, z)},
		{"both wrote the same", known(base, source, source)},
	} {
		want += fmt.Sprintf("| `%s` | %s |", Decide(Rule{}, row.c).Type, row.what)
		for _, p := range []Policy{SourceWins, EdgeWins, HoldPolicy, MergePolicy} {
			want += " " + inWords(Decide(Rule{Policy: p}, row.c), row.c) + " |"
		}
		want += "\n"
	}
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func inWords(d Decision, c Case) string {
	words := "both"
	switch {
	case !d.Write.Present:
		words = "deleted"
	case d.Write.Equal(c.Source):
		words = "source"
	case d.Write.Equal(c.Edge):
		words = "edge"
	}
	if d.Outcome == Hold {
		words += ", waits"
	}
	return words
}
