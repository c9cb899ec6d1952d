package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// guardedPolicy keeps the guard of every rule as it is by default.
var guardedPolicy = strings.ReplaceAll(policy, "      maxDeletePercent: 100\n", "")

// leanPolicy lacks the rule of the apps.
var leanPolicy = strings.Replace(guardedPolicy, "    - name: apps\n      prefix: /apps/\n", "", 1)

// guarded is a site that is in sync, with 30 keys in each rule.
func guardedSite(t *testing.T, options ...option) (*site, *daemons) {
	t.Helper()
	s := newSite(t, append([]option{withPolicy(guardedPolicy)}, options...)...)
	s.fill("/flags/", 30, 10)
	s.fill("/apps/", 30, 10)
	d := &daemons{stopExporter: s.startExporter(), stopImporter: s.startImporter()}
	s.report("is in sync", in(status.InSync))
	return s, d
}

// under how many keys the target holds below a prefix.
func (s *site) held(prefix string) int { return len(s.content(s.target.Client(), prefix)) }

func (s *site) deleteSource(prefix string) {
	s.t.Helper()
	if _, err := s.source.Client().Delete(s.t.Context(), prefix, withPrefix); err != nil {
		s.t.Fatal(err)
	}
}

// stopped waits until the guard has stopped a rule, while everything else
// flows.
func (s *site) stopped(rule string) status.Parked {
	s.t.Helper()
	e := s.report("says that the guard stopped rule "+rule, func(e status.Edge) bool {
		return e.State == status.Halted && len(e.Parked) > 0 && e.Parked[0].Rule == rule
	})
	g := e.Parked[0]
	if g.Why != status.MassDelete || len(g.Sample) == 0 || !strings.Contains(e.Reason, rule) || !strings.Contains(e.Try, "--approve") {
		s.t.Errorf("the report does not help: %q, try %q, %+v", e.Reason, e.Try, g)
	}
	return g
}

// R9, guarantee "Absence is never a delete": too many deletes at once wait for
// somebody, and everything else goes on.
func TestAbsenceIsNeverADelete(t *testing.T) {
	t.Parallel()
	s, d := guardedSite(t)
	s.deleteSource("/apps/")
	if g := s.stopped("apps"); g.Keys != 30 || g.Of != 30 {
		t.Errorf("parked %+v", g)
	}
	s.put("/flags/later", "1")
	s.put("/apps/later", "1")
	s.until("the other changes are there", func() bool { return s.held("/edge/flags/later") == 1 && s.held("/apps/later") == 1 })
	if n := s.held("/apps/"); n != 31 {
		t.Errorf("%d keys of the rule are left", n)
	}
	d.stopImporter()
	mark := s.reports.mark()
	d.stopImporter = s.startImporter()
	s.reportSince(mark, "still says so after a restart", in(status.Halted))
	for _, e := range s.all() {
		if e.State == status.InSync && len(e.Parked) > 0 {
			t.Fatalf("in sync with parked keys: %+v", e)
		}
	}
	s.fill("/apps/", 30, 12) // the keys are back, with other values
	s.report("is in sync", in(status.InSync))
	s.waitEqual(patience)
}

// all are all reports of the edge.
func (s *site) all() []status.Edge {
	edges, _ := s.reports.since(0)
	return edges
}

// Few deletes, and many of a rule with a guard of its own, are carried out.
func TestGuardLetsFewDeletesPass(t *testing.T) {
	t.Parallel()
	s, _ := guardedSite(t, withPolicy(strings.Replace(guardedPolicy, "    - name: apps\n", "    - name: apps\n      maxDeletePercent: 100\n", 1)))
	s.deleteSource("/apps/")
	s.deleteSource("/flags/00000") // 10 of 30 are many
	s.stopped("flags")
	if n := s.held("/apps/"); n != 0 {
		t.Errorf("%d keys of the rule without a guard are left", n)
	}
	s.deleteSource("/flags/00001")
	s.fill("/flags/", 10, 10)
	s.deleteSource("/flags/00002") // 10 of 20
	s.stopped("flags")
	s.fill("/flags/", 30, 10)
	s.report("is in sync", in(status.InSync))
	for _, key := range []string{"/flags/000001", "/flags/000012", "/flags/000023"} {
		if _, err := s.source.Client().Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	s.waitEqual(patience)
	s.report("is in sync", in(status.InSync))
}

// S13: a source that was replaced by an empty cluster is a new history without
// keys. Nothing is deleted.
func TestSourceReplacedByAnEmptyCluster(t *testing.T) {
	t.Parallel()
	s, d := guardedSite(t)
	d.stopExporter()
	if err := s.source.Wipe(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.stopExporter = s.startExporter()
	e := s.report("asks about both rules", func(e status.Edge) bool { return e.State == status.Halted && e.ParkedKeys == 60 })
	if s.held("/apps/") != 30 || s.held("/edge/flags/") != 30 {
		t.Errorf("keys are gone: %+v", e)
	}
	s.fill("/flags/", 30, 10)
	s.fill("/apps/", 30, 10)
	s.waitEqual(patience)
	s.report("is in sync", in(status.InSync))
}

// S17: keys of a rule that left the policy, under load, go, unless they are many:
// then they wait as they are, and the other rules go on. The rule that comes
// back takes them over.
func TestRuleLeavesThePolicy(t *testing.T) {
	t.Parallel()
	s, d := guardedSite(t)
	quiet := s.rewrites("/flags/000000", "/apps/000000")
	s.changePolicy(d, leanPolicy)
	s.stopped("(no longer in the policy)")
	kept := s.content(s.target.Client(), "/apps/")
	s.goesOn()
	s.goesOn()
	if now := s.content(s.target.Client(), "/apps/"); len(now) != 30 || !same(kept, now) {
		t.Errorf("%d keys are left of the rule that is gone, and they were to stay as they are", len(now))
	}
	s.changePolicy(d, guardedPolicy)
	s.report("is in sync", in(status.InSync))
	quiet()
	s.waitEqual(patience)
	s.deleteSource("/apps/00000")
	s.deleteSource("/apps/00001")
	for i := range 12 {
		if _, err := s.source.Client().Delete(t.Context(), fmt.Sprintf("/apps/%06d", 18+i)); err != nil {
			t.Fatal(err)
		}
	}
	s.until("few keys are left", func() bool { return len(s.want()) == 30 })
	s.report("asks", in(status.Halted))
}

// rewrites puts keys of the source again and again until quiet is called.
func (s *site) rewrites(keys ...string) (quiet func()) {
	return s.daemon("the load", func(ctx context.Context) error {
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(5 * time.Millisecond):
			}
			for _, key := range keys {
				if _, err := s.source.Client().Put(ctx, key, fmt.Sprint("rewritten ", i)); err != nil && ctx.Err() == nil {
					return err
				}
			}
		}
	})
}

// changePolicy starts the exporter anew with another policy.
func (s *site) changePolicy(d *daemons, text string) {
	s.t.Helper()
	d.stopExporter()
	s.write("flags.yaml", text)
	cloud, err := config.LoadExporter(filepath.Join(s.dir, "cloud.yaml"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.cloud = cloud
	d.stopExporter = s.startExporter()
}

// An edge that was away while the policy changed and changed back has the frames
// of another policy before it.
func TestPolicyThatChangedBack(t *testing.T) {
	t.Parallel()
	s, d := guardedSite(t)
	d.stopImporter()
	s.changePolicy(d, leanPolicy)
	s.exporterReport("has the other policy", func(e status.Exporter) bool { return len(e.Channels) == 1 && e.Channels[0].Keys == 30 })
	s.put("/flags/later", "1")
	s.changePolicy(d, guardedPolicy)
	s.exporterReport("has its policy back", func(e status.Exporter) bool { return len(e.Channels) == 1 && e.Channels[0].Keys == 61 })
	mark := s.reports.mark()
	d.stopImporter = s.startImporter()
	s.reportSince(mark, "is in sync", in(status.InSync))
	s.waitEqual(patience)
}

// smallTarget takes less than a source may hold.
var smallTarget = testbed.EtcdConfig{Fast: true, MaxRequestBytes: 512 << 10}

// D11: a value that the target refuses for ever waits as a group with what came
// with it, the edge says so, and everything else goes on.
func TestPoison(t *testing.T) {
	t.Parallel()
	s, d := guardedSite(t, withTarget(smallTarget))
	poison := strings.Repeat("x", 600<<10)
	s.txn(map[string]string{"/apps/000001": "with", "/apps/big": poison, "/flags/000001": "with"})
	s.put("/flags/later", "1")
	degraded := func(e status.Edge) bool {
		return e.State == status.Degraded && e.ParkedKeys == 3 && e.Parked[0].Why == status.TooLarge
	}
	e := s.report("is degraded", degraded)
	if !strings.Contains(e.Reason, "/apps/big") || !strings.Contains(e.Reason, "2 other keys") {
		t.Errorf("the reason does not help: %q", e.Reason)
	}
	s.until("the other change is there", func() bool { return s.held("/edge/flags/later") == 1 })
	if s.held("/apps/big") != 0 || s.content(s.target.Client(), "/apps/000001")["/apps/000001"] == "with" {
		t.Error("the group was applied in part")
	}
	d.stopImporter()
	mark := s.reports.mark()
	d.stopImporter = s.startImporter()
	s.reportSince(mark, "is degraded after a restart", degraded)
	s.put("/apps/000001", "alone")
	s.report("has two keys parked", func(e status.Edge) bool { return e.State == status.Degraded && e.ParkedKeys == 2 })
	s.put("/apps/big", "small now")
	s.put("/flags/000001", "too")
	s.waitEqual(patience)
	s.report("is in sync", in(status.InSync))
}

// The same value in a first copy waits too.
func TestPoisonInTheFirstCopy(t *testing.T) {
	t.Parallel()
	s := newSite(t, withPolicy(guardedPolicy), withTarget(smallTarget))
	s.fill("/apps/", 200, 1000)
	s.put("/apps/big", strings.Repeat("x", 600<<10))
	s.startExporter()
	s.startImporter()
	e := s.report("is degraded", in(status.Degraded))
	if e.ParkedKeys != 1 || s.held("/apps/") != 200 {
		t.Errorf("%d keys are parked, %d are there", e.ParkedKeys, s.held("/apps/"))
	}
	s.put("/apps/big", "small now")
	s.waitEqual(patience)
	s.report("is in sync", in(status.InSync))
}

// Keys that the edge's user may not write wait, too, whether they come as
// changes, in a first copy, or as deletes; everything else goes on.
func TestForbiddenKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill("/apps/", 20, 10)
	s.put("/apps/forbidden/first", "1")
	s.putTarget("/apps/forbidden/extra", "1")
	root := s.login()
	s.startExporter()
	s.startImporter()
	forbidden := func(keys int) func(status.Edge) bool {
		return func(e status.Edge) bool {
			return e.State == status.Degraded && e.ParkedKeys == keys && e.Parked[0].Why == status.Forbidden
		}
	}
	s.report("is degraded after the first copy", forbidden(2))
	s.txn(map[string]string{"/apps/forbidden/second": "1", "/apps/with": "1"})
	s.put("/apps/alone", "1")
	s.report("is degraded", forbidden(4))
	s.until("the other change is there", func() bool {
		resp, err := root.Get(t.Context(), "/apps/alone")
		return err == nil && resp.Count == 1
	})
	if _, err := root.RoleGrantPermission(t.Context(), "edge", "/", "0", clientv3.PermissionType(clientv3.PermReadWrite)); err != nil {
		t.Fatal(err)
	}
	s.done(command.New(command.Resync))
	s.report("is in sync", func(e status.Edge) bool { return e.State == status.InSync && e.Keys == 24 })
}

// login turns access control on at the target, and has the importer log in as a
// user who may read everything below / and write nothing below
// /apps/forbidden/.
func (s *site) login() (root *clientv3.Client) {
	s.t.Helper()
	must := func(_ any, err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	ctx, admin := s.t.Context(), s.target.Client()
	for _, user := range []string{"root", "edge"} {
		must(admin.RoleAdd(ctx, user))
		must(admin.UserAdd(ctx, user, "secret"))
		must(admin.UserGrantRole(ctx, user, user))
	}
	must(admin.RoleGrantPermission(ctx, "edge", "/", "0", clientv3.PermissionType(clientv3.PermRead)))
	for from, to := range map[string]string{"/": "/apps/forbidden/", "/apps/forbidden0": "0"} {
		must(admin.RoleGrantPermission(ctx, "edge", from, to, clientv3.PermissionType(clientv3.PermWrite)))
	}
	must(admin.AuthEnable(ctx))
	s.edge.Target.Etcd.User, s.edge.Target.Etcd.PasswordFile = "edge", s.write("password", "secret")
	root, err := clientv3.New(clientv3.Config{Endpoints: []string{s.target.Endpoint()}, Username: "root", Password: "secret"})
	must(nil, err)
	s.t.Cleanup(func() { _ = root.Close() })
	return root
}
