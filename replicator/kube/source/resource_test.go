package source

import (
	"strings"
	"testing"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

func TestRangesAreThoseOfOneResource(t *testing.T) {
	under := func(prefix string) change.Range { return change.PrefixRange([]byte(prefix)) }
	for _, c := range []struct {
		ranges []change.Range
		only   []string
		want   string // words and namespaces, or the problem
	}{
		{[]change.Range{under("/registry/configmaps/shop/"), under("/registry/services/specs/")}, nil, "configmaps in shop; services"},
		{[]change.Range{under("/registry/configmaps/shop/"), under("/registry/configmaps/till/")}, nil, "configmaps"},
		{[]change.Range{under("/registry/configmaps/shop-")}, nil, "configmaps"},
		{[]change.Range{under("/registry/example.com/widgets/shop/")}, nil, "widgets.example.com in shop"},
		{[]change.Range{under("/registry/apiextensions.k8s.io/customresourcedefinitions/")}, nil, "customresourcedefinitions.apiextensions.k8s.io"},
		{[]change.Range{under("/registry/namespaces/shop")}, nil, "namespaces"},
		{[]change.Range{under("/registry/secrets/")}, []string{"secrets"}, "secrets"},
		{[]change.Range{under("/registry/secrets/"), under("/registry/configmaps/")}, []string{"secrets"}, "source.kubernetes.resources does not name"},
		{[]change.Range{under("/registry/")}, nil, "an API server shows objects only"},
		{[]change.Range{under("/registry/services/")}, nil, "an API server shows objects only"},
		{[]change.Range{under("/flags/")}, nil, "an API server shows objects only"},
		{[]change.Range{{}}, nil, "an API server shows objects only"},
		{nil, nil, "no ranges"},
	} {
		_, got, err := divide("/registry", c.ranges, c.only)
		if err != nil {
			if !strings.Contains(err.Error(), c.want) || len(c.ranges) > 0 && fault.Try(err) == "" {
				t.Errorf("%v: %v, want %q", c.ranges, err, c.want)
			}
			continue
		}
		var words []string
		for _, r := range got {
			word := r.Word
			if r.namespace != "" {
				word += " in " + r.namespace
			}
			words = append(words, word)
		}
		if text := strings.Join(words, "; "); text != c.want {
			t.Errorf("%v: got %q, want %q", c.ranges, text, c.want)
		}
	}
}
