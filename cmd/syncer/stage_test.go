package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

// patience bounds everything a story waits for.
const patience = time.Minute

// stage is what one story runs on.
type stage struct {
	etcds   map[string]*testbed.Etcd
	daemons map[string]*testbed.Process
	planes  map[string]*kube.Plane
}

type stageKey struct{}

func setStage(env *testscript.Env) error {
	env.Values[stageKey{}] = &stage{etcds: map[string]*testbed.Etcd{}, daemons: map[string]*testbed.Process{}, planes: map[string]*kube.Plane{}}
	env.Setenv("NO_COLOR", "1")
	return nil
}

func onStage(fn func(*stage, *testscript.TestScript, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("this command has no negation")
		}
		s, ok := ts.Value(stageKey{}).(*stage)
		if !ok {
			ts.Fatalf("the stage is not set")
		}
		fn(s, ts, args)
	}
}

func want(ts *testscript.TestScript, args []string, least int, usage string) {
	if len(args) < least {
		ts.Fatalf("usage: %s", usage)
	}
}

// address sets variables to free addresses.
func (s *stage) address(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "address VARIABLE...")
	for _, variable := range args {
		free, err := testbed.FreeAddress()
		ts.Check(err)
		ts.Setenv(variable, free)
	}
}

// etcd starts servers and sets variables: source gives $SOURCE, its URL, and
// $SOURCE_ADDRESS.
func (s *stage) etcd(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "etcd NAME...")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, name := range args {
		e, err := testbed.StartEtcd(ctx, testbed.EtcdConfig{Dir: ts.MkAbs(".etcd-" + name), Fast: true})
		ts.Check(err)
		ts.Defer(func() { ts.Check(e.Close()) })
		s.etcds[name] = e
		ts.Setenv(strings.ToUpper(name), e.Endpoint())
		ts.Setenv(strings.ToUpper(name)+"_ADDRESS", e.Address())
	}
}

func (s *stage) server(ts *testscript.TestScript, name string) *testbed.Etcd {
	e, ok := s.etcds[name]
	if !ok {
		ts.Fatalf("there is no etcd %s", name)
	}
	return e
}

// put writes a key.
func (s *stage) put(ts *testscript.TestScript, args []string) {
	want(ts, args, 3, "put ETCD KEY VALUE")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := s.server(ts, args[0]).Client().Put(ctx, args[1], args[2])
	ts.Check(err)
}

// putMany writes keys PREFIX0, PREFIX1 and so on in one revision, each with its
// number as its value.
func (s *stage) putMany(ts *testscript.TestScript, args []string) {
	want(ts, args, 3, "putmany ETCD PREFIX COUNT")
	count, err := strconv.Atoi(args[2])
	ts.Check(err)
	var ops []clientv3.Op
	for i := range count {
		ops = append(ops, clientv3.OpPut(args[1]+strconv.Itoa(i), strconv.Itoa(i)))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err = s.server(ts, args[0]).Client().Txn(ctx).Then(ops...).Commit()
	ts.Check(err)
}

// deleteAll deletes all keys with a prefix in one revision.
func (s *stage) deleteAll(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "delete ETCD PREFIX")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := s.server(ts, args[0]).Client().Delete(ctx, args[1], clientv3.WithPrefix())
	ts.Check(err)
}

// expect reads a key; without a value there must be none.
func (s *stage) expect(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "expect ETCD KEY [VALUE]")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	resp, err := s.server(ts, args[0]).Client().Get(ctx, args[1])
	ts.Check(err)
	switch {
	case len(args) == 2 && len(resp.Kvs) > 0:
		ts.Fatalf("%s holds %s = %q", args[0], args[1], resp.Kvs[0].Value)
	case len(args) > 2 && len(resp.Kvs) == 0:
		ts.Fatalf("%s holds no %s", args[0], args[1])
	case len(args) > 2 && string(resp.Kvs[0].Value) != args[2]:
		ts.Fatalf("%s holds %s = %q, want %q", args[0], args[1], resp.Kvs[0].Value, args[2])
	}
}

// exits runs a command that must end with an exit code.
func (s *stage) exits(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "exits CODE COMMAND...")
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// unseenBy edits a key so that no watch tells, and runs a command that must end with
// exit code 1 because of it. A heartbeat that comes first finds the edit as well and
// puts it back: then it is made once more.
func (s *stage) unseenBy(ts *testscript.TestScript, args []string) {
	want(ts, args, 5, "unseenby ETCD CHANNEL KEY VALUE COMMAND...")
	for range 10 {
		s.unseen(ts, args[:4])
		var exit *exec.ExitError
		switch err := ts.Exec(args[4], args[5:]...); {
		case err == nil:
			continue
		case errors.As(err, &exit) && exit.ExitCode() == 1:
			return
		default:
			ts.Fatalf("%v", err)
		}
	}
	ts.Fatalf("the command never found the edit")
}

// console runs the commands of a file, which are the lines that begin with "$ ",
// and compares what they print, and how they end, with the lines between. A line
// of three dots stands for any number of lines.
func (s *stage) console(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "console FILE")
	text := ts.ReadFile(args[0])
	var got strings.Builder
	for line := range strings.Lines(text) {
		command, is := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "$ ")
		if !is {
			continue
		}
		words := strings.Fields(command)
		err := ts.Exec(words[0], words[1:]...)
		got.WriteString("$ " + command + "\n" + ts.ReadFile("stdout") + ts.ReadFile("stderr"))
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit):
			fmt.Fprintf(&got, "[exit code %d]\n", exit.ExitCode())
		case err != nil:
			ts.Fatalf("%v", err)
		}
	}
	parts := strings.Split(text, "...\n")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	if !regexp.MustCompile("^" + strings.Join(parts, `(?:.*\n)*`) + "$").MatchString(got.String()) {
		ts.Fatalf("got\n%s\nwant\n%s", got.String(), text)
	}
}

// daemon starts a command and waits for a line of its output.
func (s *stage) daemon(ts *testscript.TestScript, args []string) {
	want(ts, args, 3, "daemon NAME LINE COMMAND...")
	path, err := exec.LookPath(args[2])
	ts.Check(err)
	p, err := testbed.StartProcess(testbed.ProcessConfig{Path: path, Args: args[3:], Dir: ts.MkAbs(".")})
	ts.Check(err)
	ts.Defer(func() {
		if err := p.Kill(); err != nil {
			ts.Logf("end %s: %v", args[0], err)
		}
		ts.Logf("[%s]\n%s", filepath.Base(args[0]), p.Output())
	})
	s.daemons[args[0]] = p
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err = p.WaitLine(ctx, args[1])
	ts.Check(err)
}

func (s *stage) process(ts *testscript.TestScript, name string) *testbed.Process {
	p, ok := s.daemons[name]
	if !ok {
		ts.Fatalf("there is no daemon %s", name)
	}
	return p
}

// await waits for a line of a daemon's output, from before the call too.
func (s *stage) await(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "await NAME LINE")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := s.process(ts, args[0]).WaitLine(ctx, args[1])
	ts.Check(err)
}

// becomes waits until a key has a value.
func (s *stage) becomes(ts *testscript.TestScript, args []string) {
	want(ts, args, 3, "becomes ETCD KEY VALUE")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cli := s.server(ts, args[0]).Client()
	changes := cli.Watch(ctx, args[1])
	for {
		resp, err := cli.Get(ctx, args[1])
		ts.Check(err)
		if len(resp.Kvs) > 0 && string(resp.Kvs[0].Value) == args[2] {
			return
		}
		select {
		case <-changes:
		case <-ctx.Done():
			ts.Fatalf("%s never held %s = %q, but %v", args[0], args[1], args[2], resp.Kvs)
		}
	}
}

// quit ends daemons as an operator does; each must exit with 0.
func (s *stage) quit(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "quit NAME...")
	for _, name := range args {
		code, err := s.process(ts, name).Stop(patience)
		ts.Check(err)
		if code != 0 {
			ts.Fatalf("%s ended with exit code %d", name, code)
		}
	}
}

// ends waits until a daemon has ended by itself with an exit code, and matches
// its output.
func (s *stage) ends(ts *testscript.TestScript, args []string) {
	want(ts, args, 3, "ends NAME CODE PATTERN")
	p := s.process(ts, args[0])
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	code, err := p.Wait(ctx)
	ts.Check(err)
	if strconv.Itoa(code) != args[1] {
		ts.Fatalf("%s ended with exit code %d, want %s", args[0], code, args[1])
	}
	if !regexp.MustCompile(args[2]).MatchString(p.Output()) {
		ts.Fatalf("%s did not say %q:\n%s", args[0], args[2], p.Output())
	}
}

// expand puts the values of variables into files.
func (s *stage) expand(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "expand FILE...")
	for _, file := range args {
		text := os.Expand(ts.ReadFile(file), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}

// token writes the join token that the last command printed to a file.
func (s *stage) token(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "token FILE")
	found := regexp.MustCompile(`syn1_[a-z2-7]+`).FindString(ts.ReadFile("stdout"))
	if found == "" {
		ts.Fatalf("the last command printed no token")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(found+"\n"), 0o600))
}

// remember keeps what the last command printed in a variable.
func (s *stage) remember(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "remember VARIABLE")
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// interrupt sends a daemon what Ctrl-C sends.
func (s *stage) interrupt(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "interrupt NAME")
	ts.Check(s.process(ts, args[0]).Signal(os.Interrupt))
}
