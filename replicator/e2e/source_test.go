package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/guarantee"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// A source that was restored with bumped revisions, and everything below marked
// compacted, has no history to follow, and its content is another one.
func TestSourceRestoredWithBumpedRevisions(t *testing.T) {
	t.Parallel()
	for name, stopped := range map[string]bool{"exporter running": false, "exporter stopped": true} {
		t.Run(name, func(t *testing.T) {
			s, tr, d := runningSite(t)
			older := filepath.Join(s.dir, "older")
			if err := s.source.Copy(t.Context(), older); err != nil {
				t.Fatal(err)
			}
			s.put("/apps/lost-by-the-restore", "1")
			s.load(t.Context(), workload.Load{Ops: 200})
			s.settle()
			before := s.sourceRevision()
			if stopped {
				d.stopExporter()
			}
			tr.breakSource(func() error { return s.restore(older) })
			s.bump(before + 1000) // on record: an exporter that runs may look in between
			s.load(t.Context(), workload.Load{Ops: 100})
			if stopped {
				d.stopExporter = s.startExporter()
			}
			s.settle()
			s.load(t.Context(), workload.Load{Ops: 100})
			s.settle()
			s.check(tr)
		})
	}
}

func (s *site) restore(from string) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	return s.source.Restore(ctx, from)
}

// bump does, after a restore, what `etcdutl snapshot restore --bump-revision
// --mark-compacted` does in it, as far as a client can see.
func (s *site) bump(revision int64) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for {
		resp, err := s.source.Client().Put(ctx, "\x00bump", "")
		if err == nil && resp.Header.Revision >= revision {
			_, err = s.source.Client().Compact(ctx, resp.Header.Revision)
			if err == nil {
				return
			}
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// The exporter comes back at exactly the revision of a delete, which is the one
// that is compacted.
func TestDeleteIsCompactedAway(t *testing.T) {
	t.Parallel()
	for name, further := range map[string]int{"at the delete": 0, "beyond it": 5} {
		t.Run(name, func(t *testing.T) {
			s, tr, d := runningSite(t)
			s.put("/apps/goes", "soon")
			s.settle()
			d.stopExporter()
			if _, err := s.source.Client().Delete(t.Context(), "/apps/goes"); err != nil {
				t.Fatal(err)
			}
			for i := range further {
				s.put("/other/beside", fmt.Sprint(i))
			}
			tr.catchUp(tr.source) // before it is compacted away
			s.compact()
			s.startExporter()
			s.settle()
			s.check(tr)
		})
	}
}

const moreRules = policy + `    - name: more
      prefix: /more/
      to: /edge/more/
`

// A rule that is added while everything runs brings its keys to the edge, and
// costs the others nothing.
func TestPrefixIsAddedUnderLoad(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t)
	s.fill("/more/", 1500, 500)
	s.under(gentle(), func() {
		d.stopExporter()
		s.write("flags.yaml", moreRules)
		s.reload()
		d.stopExporter = s.startExporter()
		for i := range 50 {
			s.put(fmt.Sprintf("/more/%06d", i), "changed")
		}
		s.until("the new keys are there", func() bool {
			return same(s.delivered("/more/", "/edge/more/"), s.content(s.target.Client(), "/edge/more/"))
		})
	})
	at := s.sourceRevision()
	s.report("is in sync", func(e status.Edge) bool { return e.State == status.InSync && e.VerifiedRevision >= at })
	if !same(s.want(), s.have()) {
		t.Error("the keys of the old rules are not what the source has")
	}
	tr.restartTarget()
	s.load(t.Context(), workload.Load{Ops: 100})
	s.put("/more/behind", "1")
	at = s.sourceRevision()
	s.report("is in sync", func(e status.Edge) bool { return e.State == status.InSync && e.VerifiedRevision >= at })
	tr.catchUp(tr.source)
	tr.catchUp(tr.target().recorder)
	c := guarantee.Case{
		Source: tr.source.History(), Target: tr.target().recorder.History(),
		CursorKey: cursorKey.String(), Decode: decodeCursor,
		Selection: append(rules[:len(rules):len(rules)], guarantee.Rule{Prefix: "/more/", To: "/edge/more/"}),
	}
	if err := errors.Join(following(c), guarantee.Convergent(c), guarantee.Contained(c)); err != nil {
		t.Error(err)
	}
}

// delivered is a prefix of the source as it is delivered.
func (s *site) delivered(prefix, to string) map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for k, v := range s.content(s.source.Client(), prefix) {
		out[to+strings.TrimPrefix(k, prefix)] = v
	}
	return out
}

// The place of a rule's keys at the edge changes while they are on their way,
// with a restart of the edge in between. Nothing is written but the old and the
// new place.
func TestMappingChangesUnderLoad(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t)
	s.fill("/flags/bulk/", 1500, 500)
	s.settle()
	tr.writeTarget(put("/edge/flag/mine", "1"), put("/edge/mine", "2"))
	s.under(gentle(), func() {
		d.stopExporter()
		s.write("flags.yaml", strings.Replace(policy, "/edge/flags/", "/edge/renamed/", 1))
		s.reload()
		d.stopExporter = s.startExporter()
		moved := s.target.Client().Watch(within(t), "/edge/renamed/", withPrefix)
		<-moved
		d.stopImporter()
		d.stopImporter = s.startImporter()
		s.goesOn()
	})
	asks := s.report("asks about the old place", func(e status.Edge) bool { return e.State == status.Halted && len(e.Parked) == 1 })
	s.done(about(command.Approve, asks.Parked[0].ID))
	at := s.sourceRevision()
	s.report("is in sync", func(e status.Edge) bool { return e.State == status.InSync && e.VerifiedRevision >= at })
	want := s.delivered("/flags/", "/edge/renamed/")
	for k := range want {
		if strings.HasPrefix(k, "/edge/renamed/private/") {
			delete(want, k)
		}
	}
	if have := s.content(s.target.Client(), "/edge/renamed/"); !same(want, have) {
		t.Errorf("the new place holds %d keys, the source has %d", len(have), len(want))
	}
	if mine := s.content(s.target.Client(), "/edge/flag/"); mine["/edge/flag/mine"] != "1" {
		t.Errorf("a key beside the old place is gone: %v", mine)
	}
	if mine := s.content(s.target.Client(), "/edge/mine"); mine["/edge/mine"] != "2" {
		t.Errorf("a key beside the rules is gone: %v", mine)
	}
	tr.catchUp(tr.target().recorder)
	c := guarantee.Case{
		Source: tr.source.History(), Target: tr.target().recorder.History(),
		CursorKey: cursorKey.String(), Decode: decodeCursor,
		Selection: append(rules[:len(rules):len(rules)], guarantee.Rule{Prefix: "/flags/", Exclude: []string{"/flags/private/"}, To: "/edge/renamed/"}),
		Local:     func(revision int64) bool { return tr.target().local[revision] },
	}
	if err := guarantee.Contained(c); err != nil {
		t.Error(err)
	}
}

// The right to read is taken away while everything runs. The exporter says so,
// the edge does not call itself in sync any more, and nothing is deleted.
func TestSourceRefusesTheExporter(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	journal := s.keepJournal()
	s.fill("/apps/kept/", 200, 100)
	want := s.want()
	root := s.guardSource()
	s.startExporter()
	s.startImporter()
	s.report("is in sync", in(status.InSync))
	if have := s.have(); !same(want, have) {
		t.Fatalf("the edge holds %d keys, the source %d", len(have), len(want))
	}
	ctx := within(t)
	if _, err := root.RoleRevokePermission(ctx, "syncer", "/apps/", "/flags0"); err != nil {
		t.Fatal(err)
	}
	// An open watch goes on until it breaks.
	if err := s.source.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := root.Put(ctx, "/apps/behind", "1"); err != nil {
		t.Fatal(err)
	}
	s.blames("permission denied")
	if strings.Contains(journal.String(), "the term ended") {
		t.Error("the term ended")
	}
	s.report("is not in sync", notIn(status.InSync))
	if have := s.have(); !same(want, have) {
		t.Errorf("the edge holds %d keys after the source refused, %d before", len(have), len(want))
	}
	s.grant(root)
	want["/apps/behind"] = "1"
	s.until("the edge has gone on", func() bool { return same(want, s.have()) })
	s.report("is in sync again", in(status.InSync))
}

// One channel may not be read, the other one goes on as if nothing was, and the
// exporter says which and why. When it may be read it begins by itself.
func TestOneChannelFailsAndTheOtherGoesOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, withPolicy(policy+"---\n"+strings.NewReplacer("flags", "hidden", "apps", "secret").Replace(policy)))
	journal := s.keepJournal()
	root := s.guardSource()
	s.startExporter()
	s.startImporter()
	hidden := func(e status.Exporter) status.Channel {
		for _, c := range e.Channels {
			if c.Name == "hidden" {
				return c
			}
		}
		return status.Channel{}
	}
	s.exporterReport("says why a channel fails", func(e status.Exporter) bool {
		return e.Role == "active" && strings.Contains(hidden(e).Trouble, "permission denied") && hidden(e).Try != ""
	})
	for i := range 3 {
		if _, err := root.Put(t.Context(), fmt.Sprintf("/apps/%d", i), "1"); err != nil {
			t.Fatal(err)
		}
		s.until("the edge has gone on", func() bool { return len(s.have()) == i+1 })
	}
	s.report("is in sync with three keys", func(e status.Edge) bool { return e.State == status.InSync && e.Keys == 3 })
	if strings.Contains(journal.String(), "the term ended") {
		t.Error("the term ended")
	}
	if _, err := root.RoleGrantPermission(t.Context(), "syncer", "/hidden/", "/secret0", clientv3.PermissionType(clientv3.PermRead)); err != nil {
		t.Fatal(err)
	}
	s.exporterReport("has both channels", func(e status.Exporter) bool {
		return len(e.Channels) == 2 && hidden(e).Trouble == "" && !hidden(e).Lineage.IsZero()
	})
}

// guardSource turns the source's access control on: only root, whose client
// comes back, and the exporter may read.
func (s *site) guardSource() *clientv3.Client {
	s.t.Helper()
	cli, ctx := s.source.Client(), s.t.Context()
	var errs []error
	step := func(_ any, err error) { errs = append(errs, err) }
	for _, user := range []string{"root", "syncer"} {
		step(cli.UserAdd(ctx, user, "secret"))
		step(cli.RoleAdd(ctx, user))
		step(cli.UserGrantRole(ctx, user, user))
	}
	s.grant(cli)
	step(cli.AuthEnable(ctx))
	root, err := clientv3.New(clientv3.Config{Endpoints: []string{s.source.Endpoint()}, Username: "root", Password: "secret", Logger: zap.NewNop()})
	if err := errors.Join(append(errs, err)...); err != nil {
		s.t.Fatalf("turn access control on: %v", err)
	}
	s.t.Cleanup(func() { _ = root.Close() })
	s.cloud.Source.Etcd.User, s.cloud.Source.Etcd.PasswordFile = "syncer", s.write("password", "secret")
	return root
}

// grant lets the exporter read one range over all its prefixes.
func (s *site) grant(cli *clientv3.Client) {
	s.t.Helper()
	_, err := cli.RoleGrantPermission(s.t.Context(), "syncer", "/apps/", "/flags0", clientv3.PermissionType(clientv3.PermRead))
	if err != nil {
		s.t.Fatalf("grant the right to read: %v", err)
	}
}
