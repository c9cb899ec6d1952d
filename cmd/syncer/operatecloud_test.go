package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/jetstream/hub"
	"github.com/syncer-io/syncer/replicator/pairing"
	"github.com/syncer-io/syncer/replicator/status"
)

// cloudSite is a hub with joined edges. Commands and reports go through it as
// always; what the edges do is what the test says.
type cloudSite struct {
	t    *testing.T
	dir  string
	file string
	hub  *hub.Hub
	nc   *nats.Conn

	mu     sync.Mutex
	edges  map[string]*status.Edge
	asked  map[string][]string // IDs of commands by edge
	silent map[string]bool     // edges that do not answer
	react  func(*status.Edge, command.Command)
}

func newCloudSite(t *testing.T, react func(*status.Edge, command.Command), edges ...string) *cloudSite {
	t.Helper()
	s := &cloudSite{t: t, dir: t.TempDir(), edges: map[string]*status.Edge{}, asked: map[string][]string{}, silent: map[string]bool{}, react: react}
	logger := slog.New(slog.DiscardHandler)
	h, err := hub.Start(t.Context(), hub.Options{DataDir: filepath.Join(s.dir, "hub"), Listen: "127.0.0.1:0", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	s.hub = h
	t.Cleanup(func() { _ = h.Stop() })
	s.nc, err = conn.Connect(t.Context(), conn.Options{URLs: []string{h.URL()}, CredentialsFile: h.AdminSeedFile(), Name: "test", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.nc.Close)
	s.configure()
	log, err := jetstream.OpenLog(t.Context(), s.nc, jetstream.LogConfig{Source: "cloud", MaxBytes: 64 << 20, MaxAge: time.Hour, Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Report(t.Context(), status.Exporter{
		Source: "cloud", Role: "active", Interval: 60, SourceRevision: 7, Channels: []status.Channel{{Name: "flags", Revision: 7, Changed: 7}},
	}); err != nil {
		t.Fatal(err)
	}
	for _, edge := range edges {
		s.join(edge)
	}
	stop, err := jetstream.ServeCommands(s.nc, "cloud", s.take)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	return s
}

func (s *cloudSite) configure() {
	s.t.Helper()
	s.file = filepath.Join(s.dir, "cloud.yaml")
	for name, text := range map[string]string{
		"cloud.yaml": fmt.Sprintf(`apiVersion: syncer/v1alpha1
kind: Exporter
name: cloud
source: {etcd: {endpoints: ["http://127.0.0.1:2379"]}}
hub: {url: %q, credentials: %q}
policies: [flags.yaml]
dataDir: exporter
`, s.hub.URL(), s.hub.AdminSeedFile()),
		"flags.yaml": "apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: flags}\nspec:\n  rules:\n    - prefix: /flags/\n",
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *cloudSite) join(edge string) {
	s.t.Helper()
	token, _, err := s.hub.Pairs().Create(s.t.Context(), pairing.Offer{Name: edge, Source: "cloud", Policy: "flags"})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := pairing.Join(s.t.Context(), pairing.JoinOptions{
		URL: s.hub.URL(), Token: token.Reveal(), KeyFile: filepath.Join(s.dir, edge+".nk"), Logger: slog.New(slog.DiscardHandler),
	}); err != nil {
		s.t.Fatal(err)
	}
	e := status.Edge{Name: edge, Channel: "flags", State: status.InSync, AppliedRevision: 7, VerifiedRevision: 7, Consistent: true}
	s.edges[edge] = &e
	s.say(edge)
}

// say has an edge report. It returns when the hub holds the report.
func (s *cloudSite) say(edge string) {
	s.t.Helper()
	if err := jetstream.PutStatus(s.nc, "cloud", edge, *s.edges[edge]); err != nil {
		s.t.Error(err)
	}
	for {
		all, err := jetstream.ReadStatuses(s.t.Context(), s.nc, "cloud")
		if err != nil {
			s.t.Error(err)
			return
		}
		if len(all.Edges[edge].Tasks) == len(s.edges[edge].Tasks) && all.Edges[edge].State == s.edges[edge].State {
			return
		}
	}
}

// take is the exporter and the edge behind it.
func (s *cloudSite) take(req jetstream.CommandRequest) *jetstream.ReplyError {
	s.mu.Lock()
	defer s.mu.Unlock()
	again := slices.Contains(s.asked[req.Edge], req.Command.ID)
	s.asked[req.Edge] = append(s.asked[req.Edge], req.Command.ID)
	if again || s.silent[req.Edge] {
		return nil
	}
	e := s.edges[req.Edge]
	s.react(e, req.Command)
	if err := jetstream.PutStatus(s.nc, "cloud", req.Edge, *e); err != nil {
		return &jetstream.ReplyError{Message: err.Error()}
	}
	return nil
}

func (s *cloudSite) run(ctx context.Context, args ...string) result {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	code := execute(ctx, process{
		args: append(args, "-c", s.file), env: func(string) (string, bool) { return "", false },
		stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
	})
	return result{code, stdout.String(), stderr.String()}
}

func TestVerifyOfAllEdgesIsTheWorst(t *testing.T) {
	s := newCloudSite(t, func(e *status.Edge, c command.Command) {
		k := command.Task{Revision: 7, Equal: 3}
		switch e.Name {
		case "store-2":
			k.Put = 1
		case "store-3":
			k = command.Task{State: command.Failed, Reason: "the target cannot be read"}
		}
		ends(k)(e, c)
	}, "store-1", "store-2", "store-3")
	got := s.run(t.Context(), "verify")
	want := "store-1: equal at revision 7, 3 keys\n" +
		"store-2: 1 key missing or different, 0 extra, 3 equal at revision 7\n" +
		"store-3: could not tell: verify of store-3 failed: the target cannot be read\n"
	if got.code != 3 || got.stdout != want || !strings.Contains(got.stderr, "of 3 edges 1 differ, and of 1 it cannot be told") {
		t.Errorf("exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	s.edges["store-3"].Tasks = nil
	if _, err := s.hub.Pairs().Remove(t.Context(), "store-3"); err != nil {
		t.Fatal(err)
	}
	if got := s.run(t.Context(), "verify"); got.code != 1 {
		t.Errorf("exit code %d without the edge that failed\n%s%s", got.code, got.stdout, got.stderr)
	}
	got = s.run(t.Context(), "verify", "-o", "json")
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, `"kind":"TaskList"`) || strings.Count(last, `"edge":`) != 2 {
		t.Errorf("the last line is %s", last)
	}
	if got := s.run(t.Context(), "verify", "store-1"); got.code != 0 || got.stdout != "store-1: equal at revision 7, 3 keys\n" {
		t.Errorf("exit code %d of one edge\n%s%s", got.code, got.stdout, got.stderr)
	}
}

func TestSilentEdgeIsNotTakenForEqual(t *testing.T) {
	s := newCloudSite(t, ends(command.Task{Equal: 3}), "store-1", "store-2")
	s.silent["store-2"] = true
	got := s.run(t.Context(), "verify", "--timeout", "2s")
	if got.code != 4 || !strings.Contains(got.stdout, "store-1: equal") || !strings.Contains(got.stdout, "store-2: could not tell: verify of store-2 has not ended after 2s") {
		t.Errorf("exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
}

// Somebody has to approve: waiting does not help.
func TestStatusDoesNotWaitForAStoppedRule(t *testing.T) {
	s := newCloudSite(t, ends(command.Task{}), "store-1")
	e := s.edges["store-1"]
	e.State, e.Reason, e.Parked, e.ParkedKeys = status.Halted, "the guard asks", []status.Parked{massDelete}, 30
	s.say("store-1")
	got := s.run(t.Context(), "status", "store-1", "--wait", "--timeout", "5m")
	if got.code != 7 || !strings.Contains(got.stderr, "syncer resync store-1 --approve") {
		t.Errorf("exit code %d\n%s", got.code, got.stderr)
	}
	for _, part := range []string{"store-1   halted", "30 keys are parked:", "md-1  mass-delete, 30 deletes of 100 keys of rule flags: \"/flags/a\""} {
		if !strings.Contains(got.stdout, part) {
			t.Errorf("the status lacks %q:\n%s", part, got.stdout)
		}
	}
	if got := s.run(t.Context(), "status", "store-1"); got.code != 7 {
		t.Errorf("status without --wait: exit code %d\n%s", got.code, got.stderr)
	}
	if got := s.run(t.Context(), "status", "--wait", "--for=connected"); got.code != 0 {
		t.Errorf("connected: exit code %d\n%s", got.code, got.stderr)
	}
}

// In the cloud a group is found at the edge that has it.
func TestParkedGroupIsFoundAtItsEdge(t *testing.T) {
	s := newCloudSite(t, func(e *status.Edge, c command.Command) {
		ends(command.Task{Groups: c.Groups})(e, c)
		e.State, e.Parked, e.ParkedKeys = status.InSync, nil, 0
	}, "store-1", "store-2")
	for edge, id := range map[string]string{"store-1": "p-1", "store-2": "p-2"} {
		e := s.edges[edge]
		e.State, e.Parked, e.ParkedKeys = status.Degraded, []status.Parked{{ID: id, Why: status.Invalid, Keys: 1}}, 1
		s.say(edge)
	}
	if got := s.run(t.Context(), "parked", "list", "-o", "name"); got.stdout != "p-1\np-2\n" {
		t.Errorf("the groups are %q\n%s", got.stdout, got.stderr)
	}
	if got := s.run(t.Context(), "parked", "retry", "p-1", "p-2"); got.code != 2 || !strings.Contains(got.stderr, "of more than one edge") {
		t.Errorf("groups of two edges: exit code %d\n%s", got.code, got.stderr)
	}
	if got := s.run(t.Context(), "parked", "retry", "--all"); got.code != 2 || !strings.Contains(got.stderr, "2 edges have parked groups") {
		t.Errorf("all groups of two edges: exit code %d\n%s", got.code, got.stderr)
	}
	if got := s.run(t.Context(), "parked", "retry", "p-2"); got.code != 0 || got.stdout != "store-2: 1 group was tried again, 0 still parked\n" {
		t.Errorf("exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	if len(s.asked["store-1"]) != 0 || len(s.asked["store-2"]) != 1 {
		t.Errorf("asked %v", s.asked)
	}
}

// What a connected edge does not tell of is sent again, under the same ID.
func TestLostCommandIsSentAgain(t *testing.T) {
	s := newCloudSite(t, ends(command.Task{}), "store-1")
	op, at := s.operator("store-1")
	defer op.close()
	e := &errand{edge: "store-1", sight: at, command: command.New(command.Pause), sent: time.Now().Add(-reminder)}
	a := awaited{timeout: time.Minute, enough: over, tell: func([]*errand) {}}
	if err := a.await(t.Context(), op, []*errand{e}); err != nil || e.err != nil {
		t.Fatalf("%v, %v", err, e.err)
	}
	if e.task.State != command.Done || !slices.Equal(s.asked["store-1"], []string{e.command.ID}) {
		t.Errorf("the task is %+v, asked %v", e.task, s.asked)
	}
}

func (s *cloudSite) operator(edge string) (operator, sight) {
	s.t.Helper()
	session := &session{env: func(string) (string, bool) { return "", false }}
	cmd := newRoot(session)
	session.config = s.file
	cmd.SetContext(s.t.Context())
	cmd.SetErr(s.t.Output())
	op, at, err := session.theEdge(cmd, edge)
	if err != nil {
		s.t.Fatal(err)
	}
	return op, at
}
