package change_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/change"
)

func TestLineageText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l change.Lineage
		fill(t, l[:])
		got, err := change.ParseLineage(l.String())
		if err != nil || got != l {
			t.Fatalf("%s came back as %s, %v", l, got, err)
		}
	})
	if first, second := change.NewLineage(), change.NewLineage(); first == second {
		t.Error("two lineages are the same")
	}
}

func TestParseLineageRefuses(t *testing.T) {
	for _, s := range []string{
		"a", "aebagbafaydqqci", "aebagbafaydqqcika", "aebagbafaydqqci1", "aebagbafaydqqci=",
		"aebagbafaydqqcik\n", "aebagbaf\naydqqcik", "aebagbafaydqqc\u0131k", " aebagbafaydqqcik",
	} {
		if l, err := change.ParseLineage(s); err == nil || !l.IsZero() {
			t.Errorf("%q is lineage %s", s, l)
		}
	}
}

// Cursors and checkpoints are kept as JSON: the names are a format.
func TestHeadJSON(t *testing.T) {
	lineage, _ := change.ParseLineage("aebagbafaydqqcik")
	for _, test := range []struct {
		head change.Head
		want string
	}{
		{change.Head{}, `{"lineage":"","revision":0,"hash":""}`},
		{
			change.Head{Position: change.Position{Lineage: lineage, Revision: 7}, Hash: change.HashOf(nil)},
			`{"lineage":"aebagbafaydqqcik","revision":7,"hash":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}`,
		},
	} {
		b, err := json.Marshal(test.head)
		if err != nil || string(b) != test.want {
			t.Errorf("%v is %s, %v, want %s", test.head, b, err, test.want)
		}
		var got change.Head
		if err := json.Unmarshal(b, &got); err != nil || got != test.head {
			t.Errorf("%s came back as %v, %v", b, got, err)
		}
	}
}

func TestHashTextRefuses(t *testing.T) {
	kept := change.HashOf(nil)
	for _, s := range []string{"e3", kept.String()[1:], kept.String() + "00", "00" + kept.String()[:60] + "zz"} {
		h := kept
		if err := h.UnmarshalText([]byte(s)); err == nil || h != kept {
			t.Errorf("%q is hash %s, %v", s, h, err)
		}
	}
}

func TestPositionString(t *testing.T) {
	lineage, _ := change.ParseLineage("aebagbafaydqqcik")
	for p, want := range map[change.Position]string{
		{}:                               "nowhere",
		{Lineage: lineage, Revision: 12}: "aebagbafaydqqcik@12",
	} {
		if got := p.String(); got != want {
			t.Errorf("position prints as %s, want %s", got, want)
		}
	}
}
