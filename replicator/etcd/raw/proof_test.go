package raw

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// bare is a target whose etcd holds what a test puts there, and no API server.
func bare(t *testing.T, held map[string]string, further ...string) *Target {
	t.Helper()
	etcd := testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true})
	held["/registry/namespaces/shop"] = `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}`
	for key, value := range held {
		if _, err := etcd.Client().Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	out, err := Open(t.Context(), etcd.Client(), target.CursorKey{Source: "cloud", Channel: "shop"}, everything(), target.Limits{}, Options{Further: further}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := out.Claim(t.Context(), "test", func(c target.Cursor, _ bool) (target.Cursor, error) { return c, nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

// says is why an object is refused, "" when it is written.
func (t *Target) says(test *testing.T, c change.Change) string {
	test.Helper()
	_, err := t.Commit(test.Context(), target.Tx{Changes: []change.Change{c}})
	refused, asked := t.Refused(test.Context(), []change.Change{c})
	switch {
	case asked != nil:
		test.Fatal(asked)
	case (err != nil) != errors.Is(err, target.ErrRefused) || (len(refused) > 0) != (err != nil):
		test.Fatalf("Commit says %v, and Refused %v", err, refused)
	case err == nil:
		return ""
	}
	return refused[0].Why + ": " + refused[0].Err.Error()
}

// An edge that encrypts at rest may be unable to read plain values: then the LIST
// of the whole resource fails.
func TestHazardAnEdgeThatEncryptsAtRest(t *testing.T) {
	const (
		cipher = "k8s:enc:aescbc:v1:key1:xx"
		plain  = `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"other","namespace":"shop"}}`
	)
	for name, row := range map[string]struct {
		held    map[string]string
		further []string
		want    string
	}{
		"a Secret that is encrypted":  {map[string]string{"/registry/secrets/shop/other": cipher}, nil, "encrypts secrets at rest"},
		"naming them does not help":   {map[string]string{"/registry/secrets/shop/other": cipher}, []string{"secrets"}, "encrypts secrets at rest"},
		"the one itself is encrypted": {map[string]string{"/registry/secrets/shop/one": cipher}, []string{"secrets"}, "encrypts secrets at rest"},
		"no Secret to tell":           {map[string]string{}, nil, "nothing shows whether"},
		"no Secret, and a word":       {map[string]string{}, []string{"secrets"}, ""},
		"a Secret in clear":           {map[string]string{"/registry/secrets/shop/other": plain}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			to := bare(t, row.held, row.further...)
			o := secret("shop", "one", "MQ==")
			got := to.says(t, change.Change{Op: change.Put, Key: keyOf(o, "secrets"), Value: intent(t, o)})
			if !strings.Contains(got, row.want) || row.want == "" && got != "" {
				t.Errorf("it says %q; want %q", got, row.want)
			}
		})
	}
	to := bare(t, map[string]string{"/registry/configmaps/shop/kube-root-ca.crt": cipher})
	o := configMap("shop", "one", "1")
	if got := to.says(t, change.Change{Op: change.Put, Key: keyOf(o, "configmaps"), Value: intent(t, o)}); !strings.Contains(got, "encrypts configmaps") {
		t.Errorf("of a ConfigMap it says %q", got)
	}
}

// What stands in the place of an object and cannot be read is not written over.
func TestHazardAnUnreadableValueIsThere(t *testing.T) {
	to := bare(t, map[string]string{"/registry/configmaps/shop/one": "\x01\x02"})
	o := configMap("shop", "one", "1")
	if got := to.says(t, change.Change{Op: change.Put, Key: keyOf(o, "configmaps"), Value: intent(t, o)}); !strings.Contains(got, "cannot be read") {
		t.Errorf("it says %q", got)
	}
}

func TestHazardAKindThatTheEdgeMayNotKnow(t *testing.T) {
	claim := of("resource.k8s.io/v1", "ResourceClaim", "shop", "one", map[string]any{"spec": map[string]any{"devices": map[string]any{}}})
	put := change.Change{Op: change.Put, Key: keyOf(claim, "resourceclaims.resource.k8s.io"), Value: intent(t, claim)}
	node := func(version string) map[string]string {
		return map[string]string{"/registry/minions/n": fmt.Sprintf(`{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"status":{"nodeInfo":{"kubeletVersion":%q}}}`, version)}
	}
	for name, row := range map[string]struct {
		held map[string]string
		want string
	}{
		"nothing tells":  {map[string]string{}, "nothing shows that the edge is of 1.34"},
		"an older node":  {node("v1.33.9"), "its newest node is of 1.33"},
		"a newer node":   {node("v1.37.2"), ""},
		"the first node": {node("v1.34.0-rc.1+k3s1"), ""},
		"no version":     {node("later"), "nothing shows"},
	} {
		t.Run(name, func(t *testing.T) {
			got := bare(t, row.held, "resourceclaims.resource.k8s.io").says(t, put)
			if !strings.Contains(got, row.want) || row.want == "" && got != "" {
				t.Errorf("it says %q; want %q", got, row.want)
			}
		})
	}
}

// The resources that may be named, so that a new one is looked at: is its version
// known to every edge?
func TestResourcesThatMayBeNamed(t *testing.T) {
	var got []string
	for _, w := range object.Words() {
		if MayName(w) == nil {
			got = append(got, fmt.Sprintf("%s %d", w, max(since[w], oldest)))
		}
	}
	want := strings.Fields(mayBeNamed)
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], " ", "=")
	}
	if !slices.Equal(got, want) {
		t.Errorf("may be named, from which minor:\n%s", strings.Join(got, "\n"))
	}
	for w := range since {
		if _, ok := object.Lookup(w); !ok {
			t.Errorf("since names %s, which is no resource", w)
		}
	}
	for w := range never {
		if _, ok := object.Lookup(w); !ok {
			t.Errorf("never names %s, which is no resource", w)
		}
	}
}

const mayBeNamed = `
clusterrolebindings.rbac.authorization.k8s.io=23
clusterroles.rbac.authorization.k8s.io=23
configmaps=23
cronjobs.batch=23
csidrivers.storage.k8s.io=23
daemonsets.apps=23
deployments.apps=23
deviceclasses.resource.k8s.io=34
horizontalpodautoscalers.autoscaling=23
ingressclasses.networking.k8s.io=23
ingresses.networking.k8s.io=23
limitranges=23
namespaces=23
networkpolicies.networking.k8s.io=23
poddisruptionbudgets.policy=23
podtemplates=23
priorityclasses.scheduling.k8s.io=23
replicationcontrollers=23
resourceclaims.resource.k8s.io=34
resourceclaimtemplates.resource.k8s.io=34
resourcequotas=23
rolebindings.rbac.authorization.k8s.io=23
roles.rbac.authorization.k8s.io=23
runtimeclasses.node.k8s.io=23
secrets=23
serviceaccounts=23
statefulsets.apps=23
storageclasses.storage.k8s.io=23
volumeattributesclasses.storage.k8s.io=34
`

func TestKeysOnBothSides(t *testing.T) {
	k := keys{"/registry"}
	for delivered, stored := range map[string]string{
		"/kubernetes/configmaps/shop/app":                "/registry/configmaps/shop/app",
		"/kubernetes/services/shop/web":                  "/registry/services/specs/shop/web",
		"/kubernetes/deployments.apps/shop/web":          "/registry/deployments/shop/web",
		"/kubernetes/widgets.example.com/shop/w":         "/registry/example.com/widgets/shop/w",
		"/kubernetes/zones.example.com/z":                "/registry/example.com/zones/z",
		"/kubernetes/namespaces/shop":                    "/registry/namespaces/shop",
		"/kubernetes/ingresses.networking.k8s.io/shop/i": "/registry/ingress/shop/i",
	} {
		o, err := k.parse([]byte(delivered))
		if err != nil {
			t.Error(err)
			continue
		}
		back, _, isObject, ok := k.show(k.stored(o))
		if string(k.stored(o)) != stored || string(back) != delivered || !isObject || !ok {
			t.Errorf("%s is stored at %s and shown as %s", delivered, k.stored(o), back)
		}
	}
	for _, bad := range []string{"/kubernetes/", "/kubernetes/configmaps", "/kubernetes/configmaps/shop", "/kubernetes/configmaps/shop/", "/kubernetes/configmaps//app", "/kubernetes/configmaps/a/b/c", "/kubernetes/gadgets/a/b", "/kubernetes/configmaps/shop/a%2fb", "/kubernetes/widgets.example.com/../x"} {
		if o, err := k.parse([]byte(bad)); err == nil {
			t.Errorf("%s is taken for %v", bad, o)
		}
	}
}

func TestRangesOnBothSides(t *testing.T) {
	k := keys{"/registry"}
	pr := func(p string) change.Range { return change.PrefixRange([]byte(p)) }
	for _, row := range []struct{ in, want change.Range }{
		{pr("/kubernetes/configmaps/"), pr("/registry/configmaps/")},
		{pr("/kubernetes/services/shop/"), pr("/registry/services/specs/shop/")},
		{change.Range{Lo: []byte("/kubernetes/configmaps/shop/b"), Hi: []byte("/kubernetes/configmaps0")}, change.Range{Lo: []byte("/registry/configmaps/shop/b"), Hi: []byte("/registry/configmaps0")}},
		{change.Range{Lo: []byte("/kubernetes/namespaces/a"), Hi: []byte("/kubernetes/namespaces/a\x00")}, change.Range{Lo: []byte("/registry/namespaces/a"), Hi: []byte("/registry/namespaces/a\x00")}},
		{pr("/flags/"), pr("/flags/")},
	} {
		got, err := k.ranges([]change.Range{row.in})
		if err != nil || got[0].String() != row.want.String() {
			t.Errorf("%s lies at %v, %v; want %s", row.in, got, err, row.want)
		}
	}
	for _, bad := range []change.Range{pr("/kubernetes/"), pr("/kubernetes/gadgets/"), pr("/registry/configmaps/"), pr("/"), {}, {Lo: []byte("/kubernetes/configmaps/")}} {
		if got, err := k.ranges([]change.Range{bad}); err == nil || fault.Try(err) == "" {
			t.Errorf("%s lies at %v, %v", bad, got, err)
		}
	}
}

// Values of which only the size is known are judged by their keys.
func TestRefusedByWhatIsKnown(t *testing.T) {
	to := bare(t, map[string]string{})
	ask := func(key string, n int) string {
		refused, err := to.Refused(t.Context(), []change.Change{{Op: change.Put, Key: []byte(key), Value: make([]byte, n)}})
		if err != nil {
			t.Fatal(err)
		}
		if len(refused) == 0 {
			return ""
		}
		return refused[0].Why
	}
	for key, want := range map[string]string{
		"/kubernetes/configmaps/shop/one":   "",
		"/kubernetes/configmaps/absent/one": status.Waiting,
		"/kubernetes/services/shop/one":     status.Invalid,
	} {
		if got := ask(key, 100); got != want {
			t.Errorf("%s is refused as %q; want %q", key, got, want)
		}
	}
	if got := ask("/kubernetes/configmaps/shop/one", 20<<20); got != status.TooLarge {
		t.Errorf("a large value is refused as %q", got)
	}
}

// Plain keys are written as they are, beside the objects, in one transaction.
func TestPlainKeysGoAlong(t *testing.T) {
	etcd := testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true})
	ranges := append(everything(), change.PrefixRange([]byte("/flags/")))
	to, err := Open(t.Context(), etcd.Client(), target.CursorKey{Source: "cloud", Channel: "c"}, ranges, target.Limits{}, Options{Further: []string{"namespaces"}}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := to.Claim(t.Context(), "test", func(c target.Cursor, _ bool) (target.Cursor, error) { return c, nil }); err != nil {
		t.Fatal(err)
	}
	ns, cm := of("v1", "Namespace", "", "shop", nil), configMap("shop", "one", "1")
	all := []change.Change{
		{Op: change.Put, Key: []byte("/flags/a"), Value: []byte("1")},
		{Op: change.Put, Key: keyOf(ns, "namespaces"), Value: intent(t, ns)},
		{Op: change.Put, Key: keyOf(cm, "configmaps"), Value: intent(t, cm)},
		{Op: change.Put, Key: []byte(filter.ObjectPrefix + "services/shop/web"), Value: change.Released},
	}
	if _, err := to.Commit(t.Context(), target.Tx{Changes: all, Cursor: &target.Cursor{Revision: 1}}); err != nil {
		t.Fatal(err)
	}
	var got []string
	if _, err := to.Scan(t.Context(), ranges, func(kvs []change.KV) error {
		for _, kv := range kvs {
			got = append(got, string(kv.Key))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if want := "[/flags/a /kubernetes/configmaps/shop/one /kubernetes/namespaces/shop /kubernetes/services/shop/web]"; fmt.Sprint(got) != want {
		t.Errorf("it holds %v", got)
	}
	a, err := to.Audit(t.Context(), ranges, 0, 0, func(int64) bool { return true })
	if err != nil || a.Count != 4 {
		t.Errorf("the audit counts %d, %v", a.Count, err)
	}
	if _, err := to.Commit(t.Context(), target.Tx{Changes: []change.Change{del([]byte(filter.ObjectPrefix + "services/shop/web"))}}); err != nil {
		t.Fatal(err)
	}
	if a, err = to.Audit(t.Context(), ranges, 0, 0, func(int64) bool { return true }); err != nil || a.Count != 3 {
		t.Errorf("after a released key has gone the audit counts %d, %v", a.Count, err)
	}
}

// The importer's own guard: what others wrote above a revision keeps us back.
func TestDirtyKeysAreNotWritten(t *testing.T) {
	to := bare(t, map[string]string{})
	o := configMap("shop", "one", "1")
	put := change.Change{Op: change.Put, Key: keyOf(o, "configmaps"), Value: intent(t, o)}
	rev, err := to.Commit(t.Context(), target.Tx{Changes: []change.Change{put}, Newest: func([]byte) int64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	var dirty *target.Dirty
	_, err = to.Commit(t.Context(), target.Tx{Changes: []change.Change{put}, Newest: func([]byte) int64 { return rev - 1 }})
	if !errors.As(err, &dirty) || dirty.Revision != rev {
		t.Errorf("above revision %d: %v", rev-1, err)
	}
	if _, err := to.Commit(t.Context(), target.Tx{Changes: []change.Change{put}, Newest: func([]byte) int64 { return rev }}); err != nil {
		t.Errorf("at revision %d: %v", rev, err)
	}
}

// A prefix rule copies bytes; among the objects of an API server that can take
// the whole edge down, so it is refused unless the objects are the channel's own.
func TestPrefixRulesStayOutOfAnAPIServersKeys(t *testing.T) {
	etcd := testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true})
	key := target.CursorKey{Source: "cloud", Channel: "clone"}
	ranges := []change.Range{change.PrefixRange([]byte("/registry/configmaps/"))}
	plain, err := target.Open(t.Context(), etcd.Client(), key, quiet(), target.WithRanges(ranges))
	if err != nil {
		t.Fatal(err)
	}
	avoid := func() error { return Avoid(t.Context(), plain, etcd.Client(), "", ranges) }
	if err := avoid(); err != nil {
		t.Errorf("into an empty etcd: %v", err)
	}
	if _, _, err := plain.Claim(t.Context(), "test", func(c target.Cursor, _ bool) (target.Cursor, error) {
		c.Holds = ranges
		return c, nil
	}); err != nil {
		t.Fatal(err)
	}
	store := func(key, value string) {
		if _, err := etcd.Client().Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	store("/registry/configmaps/shop/one", string(intent(t, configMap("shop", "one", "1"))))
	store("/registry/notes", "nothing of Kubernetes")
	if err := avoid(); err != nil {
		t.Errorf("a copy goes on: %v", err)
	}
	store("/registry/namespaces/shop", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}`)
	if err := avoid(); err == nil || !strings.Contains(fault.Try(err), "writer: raw") || !strings.Contains(err.Error(), "/registry/namespaces/shop") {
		t.Errorf("beside the objects of an API server: %v", err)
	}
	other := []change.Range{change.PrefixRange([]byte("/flags/"))}
	if err := Avoid(t.Context(), plain, etcd.Client(), "", other); err != nil {
		t.Errorf("elsewhere: %v", err)
	}
}
