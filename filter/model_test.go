package filter

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// alphabet keeps random keys short and close to each other and to the ends of
// ranges.
const alphabet = "/a\xfe\xff\x00"

func genBytes(label string, least, most int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		b := rapid.SliceOfN(rapid.SampledFrom([]byte(alphabet)), least, most).Draw(t, label)
		return string(b)
	})
}

// genPrefix also draws prefixes around syncer's own.
func genPrefix() *rapid.Generator[string] {
	return rapid.OneOf(
		genBytes("prefix", 0, 4),
		rapid.SampledFrom([]string{"", "/", "/s", "/syncer", "/syncer0", "/flags/"}),
	)
}

func genRule() *rapid.Generator[Rule] {
	return rapid.Custom(func(t *rapid.T) Rule {
		r := Rule{Prefix: genPrefix().Draw(t, "from"), AllowSecrets: true}
		for _, e := range rapid.SliceOfN(genBytes("exclude", 1, 3), 0, 4).Draw(t, "excludes") {
			r.Exclude = append(r.Exclude, r.Prefix+e)
		}
		if rapid.Bool().Draw(t, "moved") {
			to := genPrefix().Draw(t, "to")
			r.To = &to
		}
		r.MaxDeletePercent = rapid.Ptr(rapid.IntRange(0, 100), true).Draw(t, "percent")
		r.MinDeletes = rapid.Ptr(rapid.IntRange(1, 20), true).Draw(t, "atLeast")
		return r
	})
}

// genPolicy draws valid policies: a drawn rule that contradicts an earlier one
// is left out.
func genPolicy() *rapid.Generator[Policy] {
	return rapid.Custom(func(t *rapid.T) Policy {
		p := Policy{APIVersion: APIVersion, Kind: KindPolicy, Metadata: Metadata{Name: "random"}}
		for _, r := range rapid.SliceOfN(genRule(), 1, 6).Draw(t, "rules") {
			next := p
			next.Spec.Rules = append(slices.Clone(p.Spec.Rules), r)
			if next.Validate(DefaultCluster) == nil {
				p = next
			}
		}
		if len(p.Spec.Rules) == 0 {
			p.Spec.Rules = []Rule{{Prefix: "/flags/"}}
		}
		return p
	})
}

// genKey draws keys at and around every edge of the policy, on either side.
func genKey(p Policy) *rapid.Generator[[]byte] {
	edges := []string{"", OwnPrefix, "/syncer"}
	for _, r := range p.Spec.Rules {
		edges = append(edges, r.Prefix, r.target())
		edges = append(edges, r.Exclude...)
		for _, e := range r.Exclude {
			edges = append(edges, r.target()+strings.TrimPrefix(e, r.Prefix))
		}
		if strings.HasPrefix(OwnPrefix, r.target()) {
			edges = append(edges, r.Prefix+strings.TrimPrefix(OwnPrefix, r.target()))
		}
	}
	return rapid.Custom(func(t *rapid.T) []byte {
		edge := rapid.SampledFrom(edges).Draw(t, "edge")
		return []byte(edge + genBytes("rest", 0, 4).Draw(t, "rest"))
	})
}

// mapSlowly is what Map must do, said rule by rule.
func mapSlowly(p Policy, key []byte) ([]byte, bool) {
	for _, r := range p.Spec.Rules {
		rest, inside := bytes.CutPrefix(key, []byte(r.Prefix))
		if !inside || len(key) == 0 || bytes.HasPrefix(key, []byte(OwnPrefix)) {
			continue
		}
		delivered := append([]byte(r.target()), rest...)
		if len(delivered) == 0 || bytes.HasPrefix(delivered, []byte(OwnPrefix)) || excluded(r, key) {
			return nil, false
		}
		return delivered, true
	}
	return nil, false
}

func excluded(r Rule, key []byte) bool {
	for _, e := range r.Exclude {
		if bytes.HasPrefix(key, []byte(e)) {
			return true
		}
	}
	return false
}

func compiled(t interface{ Fatalf(string, ...any) }, p Policy) *Selection {
	s, err := Compile(p, DefaultCluster)
	if err != nil {
		t.Fatalf("compiling %s: %v", fmt.Sprintf("%+v", p), err)
	}
	return s
}
