package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/status"
)

// someConflicts is a ledger with one decided, one open and one resolved
// conflict.
func someConflicts(t *testing.T) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(filepath.Join(t.TempDir(), "conflicts.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	hour := time.Now().Add(-time.Hour)
	object := ledger.Of(conflict.Some([]byte(`{"rate":10,"mode":"edge"}`)))
	secret := ledger.Of(conflict.Some([]byte(`{"apiVersion":"v1","kind":"Secret","data":{"p":"aHVudGVyMg=="}}`)))
	_, err = l.Append(
		ledger.Record{
			Time: hour, Key: []byte("/flags/a"), Type: conflict.UpdateDirty, Policy: conflict.MergePolicy, Rule: "flags", Outcome: conflict.WriteMerged,
			Fields: []string{"mode"}, Base: ledger.Value{Unknown: true}, Edge: object, Source: object, SourceRevision: 9, LocalRevision: 7, By: "kubectl",
		},
		ledger.Record{
			Time: hour, Key: []byte("/flags/b\x1b[2J"), Type: conflict.DeleteDirty, Policy: conflict.HoldPolicy, Rule: "flags", Outcome: conflict.Hold,
			Edge: ledger.Of(conflict.Some([]byte("on\n"))), SourceRevision: 10, Group: 10, Reason: `waits with "/flags/x"`, Open: true,
		},
		ledger.Record{
			Time: hour, Key: []byte("/kubernetes/secrets/shop/db"), Type: conflict.UpdateMissing, Policy: conflict.HoldPolicy, Rule: "shop", Outcome: conflict.Hold,
			Base: secret, Source: secret, Open: true,
		},
	)
	if err == nil {
		err = l.Resolve(3, "source")
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestConflictsAtTheEdge(t *testing.T) {
	s := newEdgeSite(t, nil)
	s.keeps = someConflicts(t)
	for name, c := range map[string]verbCase{
		"list": {[]string{"conflicts", "list"}, nil, 0, []string{
			"ID   SINCE    TYPE             OUTCOME        STATE              BY        KEY",
			`3    1h ago   update_missing   hold           resolved: source   -         "/kubernetes/secrets/shop/db"`,
			`2    1h ago   delete_dirty     hold           open               -         "/flags/b\x1b[2J"`,
			`1    1h ago   update_dirty     write-merged   decided            kubectl   "/flags/a"`,
		}, nil},
		"open": {[]string{"conflicts", "list", "store-1", "--open", "-o", "wide"}, nil, 0, []string{
			"ID   SINCE    TYPE           OUTCOME   STATE   BY   KEY                 RULE    POLICY   SOURCE   LOCAL   REASON",
			`2    1h ago   delete_dirty   hold      open    -    "/flags/b\x1b[2J"   flags   hold     10       -       waits with "/flags/x"`,
		}, nil},
		"names":         {[]string{"conflicts", "list", "--prefix", "/flags/", "-o", "name"}, nil, 0, []string{"2", "1"}, nil},
		"of a type":     {[]string{"conflicts", "list", "--type", "update_missing", "-o", "name"}, nil, 0, []string{"3"}, nil},
		"some":          {[]string{"conflicts", "list", "--limit", "1", "-o", "name"}, nil, 0, []string{"3"}, nil},
		"the rest":      {[]string{"conflicts", "list", "--limit", "1", "--before", "3"}, nil, 0, nil, []string{"There are more: --before 2"}},
		"recent":        {[]string{"conflicts", "list", "--since", "1m"}, nil, 0, nil, []string{"No such conflict is on record."}},
		"mistyped type": {[]string{"conflicts", "list", "--type", "update_dity"}, nil, 2, nil, []string{`did you mean "update_dirty"?`}},
		"too many":      {[]string{"conflicts", "list", "--limit", "1000"}, nil, 2, nil, []string{"1000 conflicts at once, at most 100"}},
		"of nothing":    {[]string{"conflicts", "list", "--limit", "0"}, nil, 2, nil, []string{"would list nothing"}},
		"another edge":  {[]string{"conflicts", "list", "store-2"}, nil, 2, nil, []string{`not of "store-2"`}},
		"show by ID": {[]string{"conflicts", "show", "1"}, nil, 0, []string{
			"Conflict  1", "Edge      store-1", `Key       "/flags/a"`, "Type      update_dirty", "Policy    merge of rule flags", "Outcome   write-merged",
			"State     decided", "Since     1h ago", "Revision  9 of the source, 7 here", "By        kubectl", "Both      mode",
			"Base      not known",
			"At edge   25 B", "  mode: edge", "  rate: 10",
			"Source    25 B", "  mode: edge", "  rate: 10",
		}, nil},
		"show by key": {[]string{"conflicts", "show", "/flags/b\x1b[2J"}, nil, 0, []string{
			"Conflict  2", "Edge      store-1", `Key       "/flags/b\x1b[2J"`, "Type      delete_dirty", "Policy    hold of rule flags", "Outcome   hold",
			"State     open", "Since     1h ago", "Revision  10 of the source, - here", "By        -", "Group     what changed at revision 10",
			`Reason    waits with "/flags/x"`, "Base      not there", "At edge   3 B", "  on", "Source    not there",
			"Next      syncer conflicts resolve KEY --take source|edge|file=PATH|restore=ID",
		}, nil},
		"no such ID":  {[]string{"conflicts", "show", "9"}, nil, 2, nil, []string{"conflict 9: no such record", "Try: syncer conflicts list"}},
		"no such key": {[]string{"conflicts", "show", "/flags/z"}, nil, 2, nil, []string{`no conflict of key "/flags/z" is on record at store-1`}},
		"what":        {[]string{"conflicts", "show"}, nil, 2, nil, []string{"needs the ID or the key"}},
	} {
		t.Run(name, func(t *testing.T) {
			if len(c.stdout) == 0 && name == "the rest" {
				c.stdout = []string{
					"ID   SINCE    TYPE           OUTCOME   STATE   BY   KEY",
					`2    1h ago   delete_dirty   hold      open    -    "/flags/b\x1b[2J"`,
				}
			}
			c.check(t, s)
		})
	}
	if got := s.run("conflicts", "show", "3", "-o", "json"); got.code != 0 || strings.Contains(got.stdout, "aHVudGVyMg") || !strings.Contains(got.stdout, `"hash"`) {
		t.Errorf("exit code %d, a Secret is shown:\n%s", got.code, got.stdout)
	}
	var list conflictListView
	if got := s.run("conflicts", "list", "-o", "json"); json.Unmarshal([]byte(got.stdout), &list) != nil || list.Kind.Kind != "ConflictList" || len(list.Items) != 3 ||
		list.Items[2].Text != "/flags/a" || list.Items[2].Conflict.Edge.Size != 25 || list.Items[2].Conflict.Edge.Bytes != nil {
		t.Errorf("%s", got.stdout)
	}
	if len(s.taken) > 0 {
		t.Errorf("to look took the commands %v", s.taken)
	}
}

func TestResolve(t *testing.T) {
	file := filepath.Join(t.TempDir(), "value")
	large := filepath.Join(t.TempDir(), "large")
	for path, value := range map[string][]byte{file: []byte("on\n"), large: make([]byte, command.MaxValue+1)} {
		if err := os.WriteFile(path, value, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newEdgeSite(t, ends(command.Task{}))
	failing := ends(command.Task{State: command.Failed, Reason: "there is no conflict 17", Try: "syncer conflicts list"})
	for name, tt := range map[string]struct {
		verbCase
		want command.Command
	}{
		"source": {verbCase{[]string{"/a", "/b", "--take", "source"}, nil, 0, []string{"store-1: 2 keys are resolved: the source's value is taken"}, nil},
			command.Command{Keys: [][]byte{[]byte("/a"), []byte("/b")}, Take: command.TakeSource}},
		"edge": {verbCase{[]string{"/a", "--take", "edge"}, nil, 0, []string{"store-1: 1 key is resolved: the edge's value stays"}, nil},
			command.Command{Keys: [][]byte{[]byte("/a")}, Take: command.TakeEdge}},
		"file": {verbCase{[]string{"/a", "--take", "file=" + file}, nil, 0, []string{"store-1: 1 key is resolved: the value of " + file + " is taken"}, nil},
			command.Command{Keys: [][]byte{[]byte("/a")}, Take: command.TakeValue, Value: []byte("on\n")}},
		"standard input": {verbCase{[]string{"/a", "--take", "file=-"}, nil, 0, []string{"store-1: 1 key is resolved: the value of - is taken"}, nil},
			command.Command{Keys: [][]byte{[]byte("/a")}, Take: command.TakeValue}},
		"restore": {verbCase{[]string{"/a", "--take", "restore=17"}, nil, 0, []string{"store-1: 1 key is resolved: what the edge had in conflict 17 is taken"}, nil},
			command.Command{Keys: [][]byte{[]byte("/a")}, Take: command.TakeRecord, Record: 17}},
		"that fails": {verbCase{[]string{"/a", "--take", "restore=17"}, failing, 1, nil, []string{"resolve of store-1 failed: there is no conflict 17", "Try: syncer conflicts list"}},
			command.Command{Keys: [][]byte{[]byte("/a")}, Take: command.TakeRecord, Record: 17}},
		"no key":     {verbCase: verbCase{[]string{"--take", "source"}, nil, 2, nil, []string{"needs keys"}}},
		"nothing":    {verbCase: verbCase{[]string{"/a"}, nil, 2, nil, []string{"needs to know what the keys shall hold"}}},
		"a mistake":  {verbCase: verbCase{[]string{"/a", "--take", "sorce"}, nil, 2, nil, []string{`nobody can take "sorce"`, "did you mean source?"}}},
		"no file":    {verbCase: verbCase{[]string{"/a", "--take", "file=" + file + "x"}, nil, 2, nil, []string{"reading the value"}}},
		"too large":  {verbCase: verbCase{[]string{"/a", "--take", "file=" + large}, nil, 2, nil, []string{"has more than 128.0 KiB"}}},
		"no ID":      {verbCase: verbCase{[]string{"/a", "--take", "restore=x"}, nil, 2, nil, []string{`"x" is not the ID of a conflict`}}},
		"one of two": {verbCase: verbCase{[]string{"/a", "/b", "--take", "restore=1"}, nil, 2, nil, []string{"one value is for one key, not for 2"}}},
		"elsewhere":  {verbCase: verbCase{[]string{"/a", "--take", "edge", "--edge", "store-2"}, nil, 2, nil, []string{`not of "store-2"`}}},
	} {
		t.Run(name, func(t *testing.T) {
			s.taken, s.react = nil, ends(command.Task{})
			if tt.react != nil {
				s.react = tt.react
			}
			tt.args = append([]string{"conflicts", "resolve"}, tt.args...)
			tt.check(t, s)
			if tt.code == 2 {
				if len(s.taken) > 0 {
					t.Errorf("took %+v", s.taken)
				}
				return
			}
			got := s.taken[0]
			if got.Verb != command.Resolve || got.Take != tt.want.Take || got.Record != tt.want.Record || !bytes.Equal(got.Value, tt.want.Value) ||
				!bytes.Equal(bytes.Join(got.Keys, nil), bytes.Join(tt.want.Keys, nil)) {
				t.Errorf("took %+v", got)
			}
		})
	}
}

// In the cloud the edge is asked by a command, and its report answers.
func TestConflictsFromTheCloud(t *testing.T) {
	keeps := someConflicts(t)
	s := newCloudSite(t, func(e *status.Edge, c command.Command) {
		k := command.Task{}
		if c.Verb == command.Conflicts {
			found, more, err := c.Query.Find(keeps)
			k.Conflicts, k.More = command.Tell(found), more
			if err != nil {
				k.State, k.Reason, k.Try = command.Failed, err.Error(), "syncer conflicts list"
			}
		}
		ends(k)(e, c)
	}, "store-1", "store-2")
	if got := s.run(t.Context(), "conflicts", "list", "store-2", "--open", "-o", "name"); got.code != 0 || got.stdout != "2\n" {
		t.Errorf("exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	if got := s.run(t.Context(), "conflicts", "show", "1", "--edge", "store-2"); got.code != 0 || !strings.Contains(got.stdout, "At edge   25 B\n  mode: edge\n") {
		t.Errorf("exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	var detail conflictDetail
	got := s.run(t.Context(), "conflicts", "show", "/flags/a", "--edge", "store-2", "-o", "json")
	if err := json.Unmarshal([]byte(got.stdout), &detail); err != nil || detail.Edge != "store-2" || detail.Conflict.ID != 1 {
		t.Errorf("%v: one object is the answer, not\n%s", err, got.stdout)
	}
	if got := s.run(t.Context(), "conflicts", "show", "9", "--edge", "store-2"); got.code != 2 || !strings.Contains(got.stderr, "conflict 9: no such record") {
		t.Errorf("exit code %d\n%s", got.code, got.stderr)
	}
	for _, args := range [][]string{{"list"}, {"show", "1"}, {"resolve", "/a", "--take", "edge"}} {
		if got := s.run(t.Context(), append([]string{"conflicts"}, args...)...); got.code != 2 || !strings.Contains(got.stderr, "needs the name of the edge") {
			t.Errorf("%s: exit code %d\n%s", args, got.code, got.stderr)
		}
	}
	if got := s.run(t.Context(), "conflicts", "resolve", "/flags/b", "--take", "edge", "--edge", "store-2"); got.code != 0 || got.stdout != "store-2: 1 key is resolved: the edge's value stays\n" {
		t.Errorf("exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	if len(s.asked["store-1"]) > 0 {
		t.Errorf("asked %v", s.asked)
	}
	s.silent["store-1"] = true
	if got := s.run(t.Context(), "conflicts", "list", "store-1", "--timeout", "1s"); got.code != 4 {
		t.Errorf("exit code %d\n%s", got.code, got.stderr)
	}
}
