package filter

import (
	"testing"

	"pgregory.net/rapid"
)

// TestGlobsMeet tries all short texts.
func TestGlobsMeet(t *testing.T) {
	texts := []string{""}
	for start := 0; len(texts[start]) < 5; start++ {
		texts = append(texts, texts[start]+"a", texts[start]+"b")
	}
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*?]{0,4}`)
		g, o := glob(pattern.Draw(t, "g")), glob(pattern.Draw(t, "o"))
		want := false
		for _, text := range texts {
			want = want || g.matches(text) && o.matches(text)
		}
		if got := g.meets(o); got != want && len(g)+len(o) <= 5 || want && !got {
			t.Fatalf("%q and %q: %t, want %t", g, o, got, want)
		}
	})
}
