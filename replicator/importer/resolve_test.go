package importer

import (
	"context"
	"fmt"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// decide has somebody decide about keys, and gives the task.
func (s *site) decide(take command.Take, change func(*command.Command), keys ...string) command.Task {
	s.t.Helper()
	c := command.New(command.Resolve)
	c.Take = take
	for _, k := range keys {
		c.Keys = append(c.Keys, []byte(k))
	}
	if change != nil {
		change(&c)
	}
	if err := c.Check(); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.im.orders.add(c); err != nil {
		s.t.Fatal(err)
	}
	if err := s.obey(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	tasks := s.im.Status().Tasks
	return tasks[len(tasks)-1]
}

// wantDone checks that a task is done, and that nothing else is open than the keys.
func (s *site) wantDone(task command.Task, besides ...string) {
	s.t.Helper()
	if task.State != command.Done || task.Keys == 0 {
		s.t.Errorf("the task is %+v", task)
	}
	if open, err := s.im.ledger.List(ledger.Filter{Open: true}); err != nil || len(open) != len(besides) {
		s.t.Errorf("open conflicts: %+v, %v", open, err)
	}
}

// What is held gets what somebody decides: the source's value, without a hub.
func TestResolveTakesTheSource(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	s.edit("/flags/01", "local")
	s.look()
	s.replicate(7, putOf("/flags/01", "new"))
	s.wantDone(s.decide(command.TakeSource, nil, "/flags/01"))
	s.wantValue("/flags/01", "new")
	s.wantParked(nil)
	s.wantEqual(putOf("/flags/01", "new"))
}

// An importer may end after it wrote what somebody decided, and before it noted
// that: the command comes again, or nothing is asked any more.
func TestResolveThatWasCutOff(t *testing.T) {
	for name, again := range map[string]func(*site){
		"the command comes again": func(s *site) {
			s.wantDone(s.decide(command.TakeSource, nil, "/flags/01"), "/flags/02")
		},
		"nobody asks again": func(s *site) {
			if err := s.closeLoose(); err != nil {
				s.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, conflict.HoldPolicy)
			s.edit("/flags/01", "local")
			s.edit("/flags/02", "local")
			s.look()
			s.replicate(7, putOf("/flags/01", "new"))
			if done, err := s.takeGroup(t.Context(), [][]byte{[]byte("/flags/01")}); err != nil || !done {
				t.Fatal(done, err)
			}
			again(s)
			open, err := s.im.ledger.List(ledger.Filter{Open: true})
			if err != nil || len(open) != 1 || string(open[0].Key) != "/flags/02" {
				t.Errorf("open conflicts: %+v, %v", open, err)
			}
			s.wantValue("/flags/01", "new")
		})
	}
}

func TestResolveTakesTheEdge(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	s.edit("/flags/01", "local")
	s.look()
	s.wantDone(s.decide(command.TakeEdge, nil, "/flags/01"))
	s.wantValue("/flags/01", "local")
	s.wantParked(map[string]string{"/flags/01": status.Kept})
	s.wantEqual()
	s.replicate(8, putOf("/flags/01", "new")) // which the rule holds again
	s.wantValue("/flags/01", "local")
	s.wantParked(map[string]string{"/flags/01": status.Conflict})
}

func TestResolveTakesAFile(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	s.edit("/flags/01", "local")
	s.look()
	s.wantDone(s.decide(command.TakeValue, func(c *command.Command) { c.Value = []byte("third") }, "/flags/01"))
	s.wantValue("/flags/01", "third")
	s.wantParked(map[string]string{"/flags/01": status.Kept})
	s.wantEqual()
}

// C2: the value that lost is on record and comes back, also of a key that was
// put back long ago.
func TestResolveRestoresWhatLost(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	s.edit("/flags/01", "local")
	s.look()
	s.wantValue("/flags/01", "old")
	r, found, err := s.im.ledger.Last([]byte("/flags/01"))
	if !found || err != nil {
		t.Fatal(err)
	}
	s.wantDone(s.decide(command.TakeRecord, func(c *command.Command) { c.Record = r.ID }, "/flags/01"))
	s.wantValue("/flags/01", "local")
	s.wantParked(map[string]string{"/flags/01": status.Kept})
	s.wantEqual()
	s.replicate(8, putOf("/flags/01", "new"))
	s.wantValue("/flags/01", "new")
	s.wantParked(nil)
	s.wantEqual(putOf("/flags/01", "new"))
}

func TestResolveNamesWhatItCannotDo(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	for name, task := range map[string]command.Task{
		"no conflict":   s.decide(command.TakeSource, nil, "/flags/02"),
		"no record":     s.decide(command.TakeRecord, func(c *command.Command) { c.Record = 77 }, "/flags/02"),
		"not on record": s.decide(command.TakeValue, func(c *command.Command) { c.Value = []byte("x") }, "/flags/02"),
		"elsewhere":     s.decide(command.TakeValue, func(c *command.Command) { c.Value = []byte("x") }, "/elsewhere"),
	} {
		if task.State != command.Failed || task.Reason == "" || task.Try == "" {
			t.Errorf("%s: %+v", name, task)
		}
	}
}

// What the edge holds is on record before a value that somebody gives is written
// over it, also when it was edited again while it was held.
func TestResolveLosesNoLaterEdit(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	s.edit("/flags/01", "first")
	s.look()
	s.edit("/flags/01", "second")
	s.look()
	s.wantDone(s.decide(command.TakeValue, func(c *command.Command) { c.Value = []byte("third") }, "/flags/01"))
	s.wantValue("/flags/01", "third")
	records, err := s.im.ledger.List(ledger.Filter{Key: []byte("/flags/01")})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if string(r.Edge.Bytes) == "second" {
			return
		}
	}
	t.Errorf("the second edit is not on record: %+v", records)
}

func (s *site) wantFailed(task command.Task, reason, try string) {
	s.t.Helper()
	if task.State != command.Failed || !strings.Contains(task.Reason, reason) || !strings.Contains(task.Try, try) || task.Try == "" {
		s.t.Errorf("the task is %+v, want it to fail because %s, and to say %s", task, reason, try)
	}
}

const (
	readOnly  = clientv3.PermissionType(clientv3.PermRead)
	readWrite = clientv3.PermissionType(clientv3.PermReadWrite)
)

// refusals are sites at which the target does not take the next value that is
// given for a key.
var refusals = map[string]func(t *testing.T) (s *site, refuse func(key string), reason, try string){
	"forbidden by the etcd": func(t *testing.T) (*site, func(string), string, string) {
		root, edge, grant := asUser(t)
		grant("/", readWrite)
		s := newSiteBy(t, root, edge, conflict.HoldPolicy)
		return s, func(string) {
			grant("/apps/", readWrite)
			grant("/syncer/", readWrite)
			grant("/", readOnly)
		}, "permission denied", "grant the role"
	},
	"too large": failingSite(func(string) error { return &target.TooLarge{Bytes: 2, Limit: 1} }, "etcd takes", "--take edge"),
	"refused":   failingSite(func(string) error { return target.ErrRefused }, "does not take it", "--take edge"),
	"rejected by an API server": failingSite(func(key string) error {
		no := fault.New(fault.Refused, "correct the object", "spec.x: no such field")
		return &target.Rejected{Refused: []target.Refused{{Key: []byte(key), Why: status.Rejected, Err: no}}}
	}, "no such field", "correct the object"),
}

func failingSite(err func(key string) error, reason, try string) func(*testing.T) (*site, func(string), string, string) {
	return func(t *testing.T) (*site, func(string), string, string) {
		s := newSite(t, conflict.HoldPolicy)
		return s, func(key string) { s.target = &failing{s.target, []error{err(key)}} }, reason, try
	}
}

// asUser turns on the access control of an etcd, and gives a client of root, one
// of a user, and what grants that user a prefix.
func asUser(t *testing.T) (root, edge *clientv3.Client, grant func(prefix string, may clientv3.PermissionType)) {
	t.Helper()
	etcd := testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true})
	ctx, cli := t.Context(), etcd.Client()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"root", "edge"} {
		must(cli.RoleAdd(ctx, name))
		must(cli.UserAdd(ctx, name, "secret"))
		must(cli.UserGrantRole(ctx, name, name))
	}
	must(cli.AuthEnable(ctx))
	as := func(name string) *clientv3.Client {
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{etcd.Endpoint()}, Username: name, Password: "secret", Logger: zap.NewNop()})
		must(c, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	root, edge = as("root"), as("edge")
	return root, edge, func(prefix string, may clientv3.PermissionType) {
		must(root.RoleGrantPermission(ctx, "edge", prefix, clientv3.GetPrefixRangeEnd(prefix), may))
	}
}

// A value that the target does not take fails the task and changes nothing: what
// is held waits as it did, and the session goes on.
func TestResolveWithAValueThatIsRefused(t *testing.T) {
	for name, make := range refusals {
		t.Run(name, func(t *testing.T) {
			s, refuse, reason, try := make(t)
			give := func(c *command.Command) { c.Value = []byte("third") }
			s.edit("/flags/01", "local")
			s.edit("/flags/02", "local")
			s.look()
			s.wantDone(s.decide(command.TakeSource, nil, "/flags/02"), "/flags/01")
			for _, key := range []string{"/flags/01", "/flags/02"} { // one that waits, one that does not
				refuse(key)
				s.wantFailed(s.decide(command.TakeValue, give, key), reason, try)
			}
			s.wantValue("/flags/01", "local")
			s.wantValue("/flags/02", "old")
			s.wantParked(map[string]string{"/flags/01": status.Conflict})
			if open, err := s.im.ledger.List(ledger.Filter{Open: true}); err != nil || len(open) != 1 {
				t.Errorf("open conflicts: %+v, %v", open, err)
			}
			s.wantEqual()
			s.wantDone(s.decide(command.TakeEdge, nil, "/flags/01"))
		})
	}
}

// What the edge does not accept is not written by a decision either.
func TestResolveKeepsToWhatTheEdgeAccepts(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	s.edit("/flags/01", "local")
	s.look()
	s.replicate(7, putOf("/flags/01", "new"))
	r, _, err := s.im.ledger.Last([]byte("/flags/01"))
	if err != nil {
		t.Fatal(err)
	}
	s.im.cfg.Accept.Prefixes = []string{"/apps/"}
	for _, task := range []command.Task{
		s.decide(command.TakeSource, nil, "/flags/01"),
		s.decide(command.TakeValue, func(c *command.Command) { c.Value = []byte("x") }, "/flags/01"),
		s.decide(command.TakeRecord, func(c *command.Command) { c.Record = r.ID }, "/flags/01"),
	} {
		s.wantFailed(task, "accepts", "accept.prefixes")
	}
	s.im.cfg.Accept.Prefixes = nil
	secret := `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","namespace":"b"}}`
	s.wantFailed(s.decide(command.TakeValue, func(c *command.Command) { c.Value = []byte(secret) }, "/flags/01"), "Secrets", "secrets: true")
	s.wantValue("/flags/01", "local")
	s.wantParked(map[string]string{"/flags/01": status.Conflict})
}

// Keys that changed together are resolved together, in one transaction.
func TestResolveNeverTakesHalf(t *testing.T) {
	keys := []string{"/flags/01", "/flags/02", "/flags/03"}
	hold := func(t *testing.T) *site {
		s := newSite(t, conflict.HoldPolicy)
		s.edit("/flags/01", "local")
		s.look()
		s.replicate(7, putOf(keys[0], "new"), putOf(keys[1], "new"), putOf(keys[2], "new"))
		return s
	}
	t.Run("named in part", func(t *testing.T) {
		s := hold(t)
		all := "syncer conflicts resolve /flags/01 /flags/02 /flags/03 --take "
		s.wantFailed(s.decide(command.TakeSource, nil, keys[0]), `"/flags/02", "/flags/03"`, all+"source")
		s.wantFailed(s.decide(command.TakeEdge, nil, keys[0], keys[2]), `"/flags/02"`, all+"edge")
		give := func(c *command.Command) { c.Value = []byte("x") }
		s.wantFailed(s.decide(command.TakeValue, give, keys[1]), `"/flags/01"`, all+"edge, and then this command again")
		s.wantValue(keys[0], "local")
		s.wantValue(keys[1], "old")
		s.wantDone(s.decide(command.TakeEdge, nil, keys...))
		s.wantDone(s.decide(command.TakeValue, give, keys[1]))
		s.wantValue(keys[1], "x")
	})
	t.Run("all", func(t *testing.T) {
		s := hold(t)
		s.wantDone(s.decide(command.TakeSource, nil, append(keys, keys[0])...))
		at := map[int64]bool{}
		for _, key := range keys {
			s.wantValue(key, "new")
			_, rev, err := s.target.Get(t.Context(), []byte(key))
			if err != nil {
				t.Fatal(err)
			}
			at[rev] = true
		}
		if len(at) != 1 {
			t.Errorf("they were written at %d revisions", len(at))
		}
		s.wantParked(nil)
		s.wantEqual(putOf(keys[0], "new"), putOf(keys[1], "new"), putOf(keys[2], "new"))
	})
	t.Run("refused", func(t *testing.T) {
		s := hold(t)
		s.target = &refusing{&failing{s.target, []error{target.ErrForbidden}}, keys[2]}
		s.wantFailed(s.decide(command.TakeSource, nil, keys...), keys[2], "--take edge")
		s.wantValue(keys[0], "local")
		s.wantValue(keys[1], "old")
		s.wantParked(map[string]string{keys[0]: status.Forbidden, keys[1]: status.Forbidden, keys[2]: status.Forbidden})
	})
}

// refusing is a target that says it refuses a key.
type refusing struct {
	Target
	key string
}

func (r *refusing) Refused(context.Context, []change.Change) ([]target.Refused, error) {
	return []target.Refused{{Key: []byte(r.key), Why: status.Forbidden, Err: target.ErrForbidden}}, nil
}

// Every decision leaves a record, also about a key that did not wait.
func TestResolveLeavesARecord(t *testing.T) {
	s := newSite(t, conflict.EdgeWins)
	s.edit("/flags/01", "local")
	s.look()
	key := []byte("/flags/01")
	first, _, err := s.im.ledger.Last(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		take   command.Take
		change func(*command.Command)
		how    string
		value  string
	}{
		{command.TakeEdge, nil, "edge", "local"},
		{command.TakeSource, nil, "source", "old"},
		{command.TakeValue, func(c *command.Command) { c.Value = []byte("third") }, "file", "third"},
		{command.TakeRecord, func(c *command.Command) { c.Record = first.ID }, fmt.Sprintf("restore=%d", first.ID), "local"},
	} {
		before, _, err := s.im.ledger.Last(key)
		if err != nil {
			t.Fatal(err)
		}
		s.wantDone(s.decide(tt.take, tt.change, string(key)))
		s.wantValue(string(key), tt.value)
		r, _, err := s.im.ledger.Last(key)
		if err != nil || r.ID == before.ID || r.Resolved == nil || r.Resolved.How != tt.how || !r.Type.Conflict() || string(r.Source.Bytes) != "old" {
			t.Errorf("after %s on record is %+v, %v", tt.how, r, err)
		}
		s.wantEqual()
	}
}
