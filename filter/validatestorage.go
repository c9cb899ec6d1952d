package filter

import (
	"slices"
	"strings"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/change"
)

// validateStorage refuses a prefix that takes in what an API server stores
// without saying so. Its rule knows nothing of kinds, so nothing is withheld.
//
// A prefix above that of the cluster is taken for one of a store of plain keys,
// which need not have a cluster in it: it is asked about secrets alone.
func (p Policy) validateStorage(doc *strictyaml.Document, i int, c Cluster) {
	r, root := p.Spec.Rules[i], object.Root(c.Prefix)
	at, secrets := doc.At(rulePath(i, "prefix")...), root+"secrets/"
	bare, leave := !r.AllowSecrets && r.takesIn(secrets), secrets
	switch {
	case !doc.Sound(rulePath(i, "raw")...) || !doc.Sound(rulePath(i, "allowSecrets")...):
	case !r.Raw && r.takesInStorage(root):
		consent := "raw: true"
		if bare {
			consent += " and allowSecrets: true"
		}
		at.Hint("use resources, or one rule for each prefix like %sconfigmaps/; if edges shall have the bytes, add %s", root, consent).
			Problemf("prefix %q takes in more than one resource of a cluster, byte by byte: nothing is withheld, neither tokens nor locks", r.Prefix)
	case bare:
		if strings.HasPrefix(root, r.Prefix) && !r.takesInStorage(root) {
			leave = root
		}
		at.Hint("exclude what is below %s, or add allowSecrets: true if edges shall have it", leave).
			Problemf("prefix %q takes in keys below %s, where a cluster stores its secrets, and those cross only with consent", r.Prefix, secrets)
	}
}

// takesIn reports whether the rule delivers a key below a prefix.
func (r Rule) takesIn(prefix string) bool {
	return slices.ContainsFunc(r.ranges("", 0, nil), func(piece RuleRange) bool {
		return !piece.Source.Intersect(change.PrefixRange([]byte(prefix))).Empty()
	})
}

// takesInStorage reports whether the rule, whose prefix is at the root of a
// cluster or below it, delivers keys of more than one resource.
func (r Rule) takesInStorage(root string) bool {
	rest, below := strings.CutPrefix(r.Prefix, root)
	if r.Prefix+"/" == root && r.Prefix != "" || r.Prefix == root {
		return true
	}
	if !below {
		return false
	}
	taken := 0
	for _, res := range object.Resources() {
		if r.takesIn(root + res.StoragePrefix + "/") {
			taken++
		}
	}
	return taken > 1 || taken == 0 && aroundGroups(rest)
}

// aroundGroups reports whether a path below the root of a cluster ends before
// the resource of a custom group does, so that it may take in any number.
func aroundGroups(path string) bool {
	group, resource, whole := strings.Cut(path, "/")
	return !whole || resource == "" && object.CustomGroup(group)
}
