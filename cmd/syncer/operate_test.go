package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/control"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// scripted is an importer whose report is what the test says. It stands behind
// a real control socket.
type scripted struct {
	mu     sync.Mutex
	report status.Edge
	taken  []command.Command
	// react changes the report when a command comes.
	react func(*status.Edge, command.Command)
	// seen, if it is set, changes the report once after it was read.
	seen func(*status.Edge)
	// keeps is the record of conflicts, if the importer has one.
	keeps *ledger.Ledger
}

func (s *scripted) Command(c command.Command) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, c)
	s.react(&s.report, c)
	return nil
}

func (s *scripted) Status() status.Edge {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.report
	e.Reported, e.Tasks, e.Parked = time.Now(), slices.Clone(e.Tasks), slices.Clone(e.Parked)
	if s.seen != nil {
		s.seen(&s.report)
		s.seen = nil
	}
	return e
}

func (s *scripted) Conflicts(q command.Query) ([]ledger.Record, bool, error) {
	if s.keeps == nil {
		return nil, false, errors.New("there is no ledger")
	}
	return q.Find(s.keeps)
}

// edgeSite is an edge of which only the control socket is there.
type edgeSite struct {
	t    *testing.T
	file string
	*scripted
}

func newEdgeSite(t *testing.T, react func(*status.Edge, command.Command)) *edgeSite {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "edge.yaml")
	if err := os.WriteFile(file, []byte(`apiVersion: syncer/v1alpha1
kind: Importer
name: store-1
source: cloud
channel: flags
hub: {url: "nats://127.0.0.1:4222"}
target: {etcd: {endpoints: ["http://127.0.0.1:2379"]}}
dataDir: .
`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &edgeSite{t: t, file: file, scripted: &scripted{
		report: status.Edge{Name: "store-1", Source: "cloud", Channel: "flags", State: status.InSync, AppliedRevision: 7, VerifiedRevision: 7, Consistent: true},
		react:  react,
	}}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- control.Serve(ctx, dir, s.scripted, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	s.untilServed(dir)
	return s
}

func (s *edgeSite) untilServed(dir string) {
	s.t.Helper()
	client := control.NewClient(dir)
	defer client.Close()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := client.Status(s.t.Context()); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-s.t.Context().Done():
			s.t.Fatal("the control socket does not answer")
		}
	}
}

// result is what one command line printed.
type result struct {
	code           int
	stdout, stderr string
}

func (s *edgeSite) run(args ...string) result {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	code := execute(s.t.Context(), process{
		args: append(args, "-c", s.file), env: func(string) (string, bool) { return "", false },
		stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
	})
	return result{code, stdout.String(), stderr.String()}
}

// ends is the importer that ends a task as it is.
func ends(t command.Task) func(*status.Edge, command.Command) {
	return func(e *status.Edge, c command.Command) {
		t.ID, t.Verb = c.ID, c.Verb
		if t.State == "" {
			t.State = command.Done
		}
		e.Tasks = append(e.Tasks, t)
	}
}

// becomes is the importer that also comes into a state.
func becomes(t command.Task, state status.State, parked ...status.Parked) func(*status.Edge, command.Command) {
	return func(e *status.Edge, c command.Command) {
		ends(t)(e, c)
		e.State, e.Reason, e.Parked = state, "", parked
		for _, g := range parked {
			e.ParkedKeys += g.Keys
		}
		if state != status.InSync {
			e.Reason = "because of the test"
		}
	}
}

var massDelete = status.Parked{
	ID: "md-1", Why: status.MassDelete, Reason: "30 of 100 keys", Rule: "flags", Revision: 9, Keys: 30, Of: 100,
	Sample: [][]byte{[]byte("/flags/a"), []byte("/flags/\x1b[2J")},
}

var differing = command.Task{
	Revision: 9, Equal: 90, Put: 7, Delete: 3, Bytes: 30 << 20, Transfer: 12 << 20, Speed: 4 << 20,
	Samples: []command.Sample{{How: command.Missing, Key: []byte("/flags/a")}, {How: command.Extra, Key: []byte("/flags/\x1b[2J\xff")}},
}

type verbCase struct {
	args  []string
	react func(*status.Edge, command.Command)
	code  int
	// Lines that standard output is made of, if any, and parts of what is on
	// standard error.
	stdout []string
	stderr []string
}

func TestVerbsSayWhatTheEdgeTells(t *testing.T) {
	cases := map[string]verbCase{
		"plan": {[]string{"resync", "--plan", "--prefix", "/fl ags/"}, ends(differing), 0, []string{
			"store-1 compared with the source at revision 9",
			"  equal      90 keys",
			"  put        7 keys",
			"  delete     3 keys",
			"  transfer   about 12.0 MiB, 30.0 MiB before compression",
			"  link       4.0 MiB/s measured",
			"  time       about 3s",
		}, []string{"Nothing was changed. Next: syncer resync store-1 --prefix '/fl ags/' --wait"}},
		"plan of an unmeasured link": {[]string{"resync", "store-1", "--plan"}, ends(command.Task{Put: 1, Bytes: 10, Transfer: 5}), 0, []string{
			"store-1 compared with the source at revision -",
			"  equal      0 keys",
			"  put        1 key",
			"  delete     0 keys",
			"  transfer   about 5 B, 10 B before compression",
			"  link       unknown: nothing was measured yet",
			"  time       unknown",
		}, nil},
		"plan of nothing": {[]string{"resync", "--plan"}, ends(command.Task{Revision: 9, Equal: 1}), 0, []string{
			"store-1 compared with the source at revision 9",
			"  equal      1 key",
			"  put        0 keys",
			"  delete     0 keys",
			"  transfer   nothing",
			"  link       unknown: nothing was measured yet",
			"  time       none",
			"There is nothing to do.",
		}, nil},
		"plan that failed": {[]string{"resync", "--plan"}, ends(command.Task{State: command.Failed, Reason: "the source is away", Try: "start it"}), 3, nil,
			[]string{"plan of store-1 failed: the source is away", "Try: start it"}},
		"resync that began": {[]string{"resync"}, ends(command.Task{State: command.Running}), 0,
			[]string{"store-1: the resync has begun; it goes on by itself"}, []string{"Next: syncer status store-1 --wait"}},
		"resync to the end": {[]string{"resync", "--wait"}, becomes(command.Task{Revision: 9, Equal: 1, Put: 2, Delete: 3, BytesDone: 100}, status.InSync), 0,
			[]string{"store-1: resync done at revision 9: 1 equal, 2 put, 3 deleted, 100 B", "store-1 is in-sync"}, nil},
		"resync that the guard stopped": {[]string{"resync"}, becomes(command.Task{State: command.Failed, Safety: true, Reason: "30 of 100 keys"}, status.Halted, massDelete), 7,
			nil, []string{"the mass-delete guard parked deletes at store-1 (30 of 100 keys)", "syncer resync store-1 --approve"}},
		"resync that ends at the guard": {[]string{"resync", "--wait"}, becomes(command.Task{Revision: 9}, status.Halted, massDelete), 7,
			[]string{"store-1: resync done at revision 9: 0 equal, 0 put, 0 deleted, 0 B", "store-1 is halted (because of the test)"}, []string{"mass-delete guard"}},
		"resync that ends degraded": {[]string{"resync", "--wait"}, becomes(command.Task{Revision: 9}, status.Degraded, status.Parked{ID: "p-1", Why: status.TooLarge, Keys: 1}), 3,
			[]string{"store-1: resync done at revision 9: 0 equal, 0 put, 0 deleted, 0 B", "store-1 is degraded (because of the test)"},
			[]string{"the resync is done, and store-1 is not in sync: degraded"}},
		"resync that failed": {[]string{"resync", "--wait"}, ends(command.Task{State: command.Failed}), 3,
			[]string{"store-1 is in-sync"}, []string{"resync of store-1 failed: the edge gives no reason"}},
		"verify equal": {[]string{"verify", "--deep"}, ends(command.Task{Revision: 9, Equal: 100}), 0, []string{"store-1: equal at revision 9, 100 keys"}, nil},
		"verify different": {[]string{"verify"}, ends(differing), 1, []string{
			"store-1: 7 keys missing or different, 3 extra, 90 equal at revision 9",
			`  missing    "/flags/a"`,
			`  extra      "/flags/\x1b[2J\xff"`,
			"  and 8 more",
		}, []string{"store-1 differs from its source in 10 keys", "Try: syncer resync store-1 --plan"}},
		"verify that failed": {[]string{"verify"}, ends(command.Task{State: command.Failed, Reason: "the target cannot be read", Equal: 100}), 3, nil,
			[]string{"verify of store-1 failed: the target cannot be read"}},
		"verify with parked keys": {[]string{"verify"}, becomes(command.Task{Revision: 9, Equal: 70, Parked: 30}, status.Halted, massDelete), 3, []string{
			"store-1: equal at revision 9, 70 keys",
			"  30 keys are parked and not compared; see: syncer parked list store-1",
			`    md-1  mass-delete, 30 deletes of 100 keys of rule flags: "/flags/a", "/flags/\x1b[2J", … (30 of 100 keys)`,
		}, []string{"everything compared is equal at store-1, and 30 keys are parked"}},
		"verify that nothing comes of": {[]string{"verify", "--timeout", "1s"}, func(*status.Edge, command.Command) {}, 4, nil,
			[]string{"verify of store-1 has not ended after 1s: store-1 has not taken the command yet; it was last seen in-sync"}},
		"verify that takes long": {[]string{"verify", "--timeout", "1s"}, ends(command.Task{State: command.Running, Bytes: 100, BytesDone: 45, Transfer: 100, Speed: 5}), 4, nil,
			[]string{"it was last seen running: 45 %, 45 B of 100 B, about 11s left"}},
		"verify of a paused edge": {[]string{"verify", "--timeout", "1s"}, becomes(command.Task{State: command.Waiting}, status.Paused), 4, nil,
			[]string{"waiting for its turn, and the edge is paused", "Try: syncer resume store-1"}},
		"diff": {[]string{"diff"}, ends(command.Task{Revision: 9, Put: 1, Samples: []command.Sample{{How: command.Different, Key: []byte("/flags/\u202ex")}}}), 1, []string{
			"store-1: 1 key missing or different, 0 extra, 0 equal at revision 9",
			`  different  "/flags/\u202ex"`,
		}, nil},
		"diff without a difference": {[]string{"diff", "--prefix", "/flags/"}, ends(command.Task{Revision: 9, Equal: 2}), 0, []string{"store-1: equal at revision 9, 2 keys"}, nil},
		"diff of bytes":             {[]string{"diff", "--prefix", "/\xff"}, ends(command.Task{}), 2, nil, []string{`the prefix "/\xff" is not valid UTF-8`}},
		"pause":                     {[]string{"pause"}, becomes(command.Task{}, status.Paused), 0, []string{"store-1 is paused: it receives and applies nothing; Next: syncer resume store-1"}, nil},
		"resume":                    {[]string{"resume", "store-1"}, ends(command.Task{}), 0, []string{"store-1 is resumed; Next: syncer status store-1"}, nil},
		"pause that failed":         {[]string{"pause"}, ends(command.Task{State: command.Failed, Reason: "the disk is full"}), 1, nil, []string{"pause of store-1 failed: the disk is full"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.check(t, newEdgeSite(t, c.react))
		})
	}
}

func (c verbCase) check(t *testing.T, s *edgeSite) {
	t.Helper()
	got := s.run(c.args...)
	if got.code != c.code {
		t.Errorf("exit code %d, want %d\n%s", got.code, c.code, got.stderr)
	}
	want := ""
	if len(c.stdout) > 0 {
		want = strings.Join(c.stdout, "\n") + "\n"
	}
	if got.stdout != want {
		t.Errorf("standard output is\n%s\nwant\n%s", got.stdout, want)
	}
	for _, part := range c.stderr {
		if !strings.Contains(got.stderr, part) {
			t.Errorf("standard error lacks %q:\n%s", part, got.stderr)
		}
	}
	if code := got.code; code != 0 && !strings.Contains(got.stderr, "Try: ") {
		t.Errorf("the error does not say what to try:\n%s", got.stderr)
	}
}

func TestApproveNamesWhatItReleases(t *testing.T) {
	tooLarge := status.Parked{ID: "p-1", Why: status.TooLarge, Keys: 1}
	s := newEdgeSite(t, func(e *status.Edge, c command.Command) {
		ends(command.Task{Groups: c.Groups})(e, c)
		e.Parked = []status.Parked{tooLarge}
	})
	s.report.State, s.report.Parked, s.report.ParkedKeys = status.Halted, []status.Parked{tooLarge, massDelete}, 31
	verbCase{[]string{"resync", "--approve"}, nil, 0, []string{
		"store-1: releasing",
		"  GROUP   RULE    DELETES   OF    REVISION",
		"  md-1    flags   30        100   9",
		`  md-1: "/flags/a", "/flags/\x1b[2J", …`,
		"store-1: 1 group is released",
	}, nil}.check(t, s)
	if len(s.taken) != 1 || s.taken[0].Verb != command.Approve || !slices.Equal(s.taken[0].Groups, []string{"md-1"}) {
		t.Errorf("the edge was given %+v", s.taken)
	}
	verbCase{[]string{"resync", "--approve"}, nil, 0, []string{"store-1: the mass-delete guard has parked nothing"}, nil}.check(t, s)
}

func TestParkedGroupsAreShownRetriedAndDropped(t *testing.T) {
	hour := time.Now().Add(-time.Hour)
	s := newEdgeSite(t, func(e *status.Edge, c command.Command) {
		ends(command.Task{Groups: c.Groups})(e, c)
		if c.Verb == command.Retry {
			e.Parked = slices.DeleteFunc(slices.Clone(e.Parked), func(g status.Parked) bool { return g.ID == "p-2" })
		}
	})
	s.report.State, s.report.ParkedKeys = status.Degraded, 4
	s.report.Parked = []status.Parked{
		{ID: "p-1", Why: status.TooLarge, Reason: "2 MiB, at most 1.5 MiB", Revision: 5, Keys: 1, Since: hour, Sample: [][]byte{[]byte("/flags/big")}},
		{ID: "p-2", Why: status.Forbidden, Reason: "permission denied", Revision: 6, Keys: 2, Since: hour, Dropped: true},
	}
	for name, c := range map[string]verbCase{
		"list": {[]string{"parked", "list"}, nil, 0, []string{
			"GROUP   EDGE      WHY                   RULE   KEYS   REVISION   SINCE    REASON",
			"p-1     store-1   too-large             -      1      5          1h ago   2 MiB, at most 1.5 MiB",
			"p-2     store-1   forbidden (dropped)   -      2      6          1h ago   permission denied",
		}, []string{"store-1: 1 more keys are parked in newer groups"}},
		"names": {[]string{"parked", "list", "store-1", "-o", "name"}, nil, 0, []string{"p-1", "p-2"}, nil},
		"show": {[]string{"parked", "show", "p-1"}, nil, 0, []string{
			"Group     p-1", "Edge      store-1", "Why       too-large", "Rule      -", "Keys      1", "Revision  5", "Since     1h ago",
			"Reason    2 MiB, at most 1.5 MiB", "Sample", `  "/flags/big"`, "Next      when the cause is gone: syncer parked retry p-1",
		}, nil},
		"mistyped": {[]string{"parked", "show", "p1"}, nil, 2, nil, []string{`no group "p1" is parked; did you mean "p-1"?`}},
		"drop": {[]string{"parked", "drop", "p-1", "p-2"}, nil, 0,
			[]string{"store-1: 2 groups are dropped; the edge stays degraded, for the keys do not hold what the source has"}, nil},
		"drop of another edge": {[]string{"parked", "drop", "p-1", "--edge", "store-2"}, nil, 2, nil, []string{"not of \"store-2\""}},
	} {
		t.Run(name, func(t *testing.T) { c.check(t, s) })
	}
	verbCase{[]string{"parked", "retry", "--all"}, nil, 3, []string{"store-1: 2 groups were tried again, 1 still parked"},
		[]string{"1 group is still parked at store-1: p-1 (2 MiB, at most 1.5 MiB)", "Try: syncer parked show p-1"}}.check(t, s)
	if last := s.taken[len(s.taken)-1]; !slices.Equal(last.Groups, []string{"p-1", "p-2"}) {
		t.Errorf("retry --all named %v", last.Groups)
	}
}

// With -o json every line is a task, and the last one is the result.
func TestLinesForProgramsEndWithTheResult(t *testing.T) {
	s := newEdgeSite(t, nil)
	s.react = func(e *status.Edge, c command.Command) {
		e.Tasks = append(e.Tasks, command.Task{ID: c.ID, Verb: c.Verb, State: command.Running, Bytes: 100, BytesDone: 50, Transfer: 100, Speed: 10})
		s.seen = finish
	}
	got := s.run("verify", "-o", "json")
	if got.code != 1 {
		t.Fatalf("exit code %d: %s", got.code, got.stderr)
	}
	var lines []map[string]any
	for line := range strings.Lines(got.stdout) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if v["apiVersion"] != "syncer/v1alpha1" || v["kind"] != "Task" || v["edge"] != "store-1" || v["id"] == "" {
			t.Errorf("a line without its head: %s", line)
		}
		lines = append(lines, v)
	}
	if len(lines) != 2 || lines[0]["state"] != "running" || lines[0]["etaSeconds"] != 5.0 || lines[1]["state"] != "done" {
		t.Fatalf("the lines are %s", got.stdout)
	}
	samples, _ := json.Marshal(lines[1]["samples"])
	if want := `[{"how":"missing","key":"L2E=","text":"/a"},{"how":"extra","key":"/w=="}]`; string(samples) != want {
		t.Errorf("samples are %s, want %s", samples, want)
	}
	if yaml := s.run("parked", "list", "-o", "yaml"); !strings.Contains(yaml.stdout, "kind: ParkedList") {
		t.Errorf("yaml is %s", yaml.stdout)
	}
}

// finish ends the only task.
func finish(e *status.Edge) {
	k := &e.Tasks[0]
	k.State, k.Put, k.Delete = command.Done, 1, 1
	k.Samples = []command.Sample{{How: command.Missing, Key: []byte("/a")}, {How: command.Extra, Key: []byte{0xff}}}
}

func TestWorstOfManyEdges(t *testing.T) {
	done := func(k command.Task) *errand {
		k.State = command.Done
		return &errand{edge: "store", task: k}
	}
	equal, different := done(command.Task{Equal: 1}), done(command.Task{Put: 1})
	failed := &errand{edge: "store", task: command.Task{State: command.Failed}}
	late := &errand{edge: "store", err: fault.New(fault.Timeout, "", "late")}
	for name, c := range map[string]struct {
		errands []*errand
		code    int
	}{
		"all equal":            {[]*errand{equal, equal}, 0},
		"one differs":          {[]*errand{equal, different}, 1},
		"one cannot be told":   {[]*errand{different, failed, equal}, 3},
		"one did not answer":   {[]*errand{failed, late, different}, 4},
		"nothing else than it": {[]*errand{late}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fault.ExitCode(couldNotTell(worst(c.errands))); got != c.code {
				t.Errorf("exit code %d, want %d", got, c.code)
			}
		})
	}
}

func TestProgressIsALineNowAndThen(t *testing.T) {
	var out bytes.Buffer
	now := time.Now()
	p := &progress{w: &out, now: func() time.Time { return now }, last: now}
	for i := range 25 {
		p.tell(fmt.Sprintf("step %d", i))
		now = now.Add(time.Second)
	}
	p.clear()
	if got := out.String(); got != "step 10\nstep 20\n" {
		t.Errorf("progress is %q", got)
	}
}

func TestProgressOnATerminalIsOneLine(t *testing.T) {
	var out bytes.Buffer
	p := &progress{w: &out, width: 10, now: time.Now}
	p.tell("one")
	p.tell("one")
	p.tell("two\x1b[2J and much more")
	p.clear()
	if got, want := out.String(), "\r\x1b[Kone\r\x1b[Ktwo.[2J …\r\x1b[K"; got != want {
		t.Errorf("progress is %q, want %q", got, want)
	}
}
