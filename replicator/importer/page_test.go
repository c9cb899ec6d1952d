package importer

import (
	"testing"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
)

// A page that all edges may take answers any comparison but a deep one: nobody
// read the source for it.
func TestDeepComparisonTakesOnlyItsOwnPage(t *testing.T) {
	a := newApplier(t)
	page := digest.NewPageBuilder(0, 0).Ranges()
	for _, c := range []struct {
		deep    bool
		request string
		takes   bool
	}{
		{false, "", true},
		{false, "own", true},
		{false, "of another request", false},
		{true, "", false},
		{true, "own", true},
	} {
		a.comparison.begin("test")
		a.comparison.asked, a.comparison.dry, a.comparison.deep = true, true, c.deep
		request := c.request
		if request == "own" {
			request = a.comparison.id
		}
		f := taken{Frame: change.Frame{Kind: change.KindPage, Request: request}}
		if err := a.page(t.Context(), f, page); err != nil {
			t.Fatal(err)
		}
		if a.comparison.compared != c.takes {
			t.Errorf("%+v: compared %v", c, a.comparison.compared)
		}
	}
}

// An answer is one to a range that was asked for, the whole of it.
func TestAnsweredTakesWholeRanges(t *testing.T) {
	var c comparison
	c.begin("test")
	asked := change.Range{Lo: []byte("b"), Hi: []byte("d")}
	c.out["b"] = digest.Difference{Range: asked}
	for _, r := range []change.Range{{Lo: []byte("a"), Hi: []byte("d")}, {Lo: []byte("b")}, {Lo: []byte("b"), Hi: []byte("z")}} {
		if _, ok := c.answered(c.id, r); ok {
			t.Errorf("%v was taken for %v", r, asked)
		}
	}
	if _, ok := c.answered("another", asked); ok {
		t.Error("an answer to another request was taken")
	}
	if _, ok := c.answered(c.id, asked); !ok {
		t.Error("the answer was not taken")
	}
}
