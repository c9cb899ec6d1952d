//go:build fault

package main_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// TestFaultEndpointsThatComeLater starts the daemons before their etcds: they
// say what they wait for and begin by themselves.
func TestFaultEndpointsThatComeLater(t *testing.T) {
	r := newRig(t, true)
	r.burst(workload.Load{Ops: 200})
	for _, etcd := range []*testbed.EtcdProcess{r.source, r.target} {
		if err := etcd.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	r.exporter.start()
	r.importer.start()
	wants(t, r.exporter.says(t, 0, "the source is not usable, trying again"), r.source.Address(), `"try":"check`)
	if err := r.source.Start(within(t)); err != nil {
		t.Fatal(err)
	}
	r.claims = r.listen()
	r.await("the edge waits for its target", func(l status.List, it status.Item) bool {
		return it.State == status.Halted && strings.Contains(it.Reason, r.target.Address()) && it.Try != ""
	})
	if err := r.target.Start(within(t)); err != nil {
		t.Fatal(err)
	}
	r.settle()
}

func wants(t *testing.T, said string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("%q is not in:\n%s", text, said)
		}
	}
}

// TestFaultUnfitHub runs an exporter against a NATS server without JetStream,
// with small messages, and finally as it must be: it says what is missing and
// begins by itself.
func TestFaultUnfitHub(t *testing.T) {
	r := newRig(t, false)
	r.burst(workload.Load{Ops: 200})
	address, err := testbed.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	r.write("plain.yaml", fmt.Sprintf(`apiVersion: syncer/v1alpha1
kind: Exporter
name: cloud
source: {etcd: {endpoints: [%q]}}
hub: {url: %q}
policies: [flags.yaml]
dataDir: plain
heartbeat: 500ms
`, r.source.Endpoint(), "nats://"+address))
	exporter := newDaemon(t, "the exporter of a plain hub", r.binary, "export", "-c", r.path("plain.yaml"))
	exporter.start()
	exporter.says(t, 0, "not usable, trying again")

	stop := natsServer(t, address, server.Options{})
	wants(t, exporter.says(t, 0, "does not offer JetStream"), `"try":"enable it`)
	r.fails(3, []string{"pair", "create", "store-2", "-c", r.path("plain.yaml")}, "does not offer JetStream", "Try: enable it")
	stop()

	stop = natsServer(t, address, server.Options{JetStream: true, StoreDir: r.path("nats"), MaxPayload: 64 << 10})
	wants(t, exporter.says(t, 0, "has max_payload 65536"), `"try":"set max_payload`)
	stop()

	natsServer(t, address, server.Options{JetStream: true, StoreDir: r.path("nats")})
	exporter.says(t, 0, "listing the source")
	exporter.stop(t)
}

// natsServer runs a NATS server of the user's own.
func natsServer(t *testing.T, address string, o server.Options) (stop func()) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	o.Host, o.NoLog, o.NoSigs = host, true, true
	if o.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	s, err := server.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("the NATS server does not start")
	}
	stop = func() {
		s.Shutdown()
		s.WaitForShutdown()
	}
	t.Cleanup(stop)
	return stop
}

// fails runs a command that must end with an exit code, a reason and a remedy.
func (r *rig) fails(code int, args []string, says ...string) {
	r.t.Helper()
	res, err := r.command(r.t.Context(), args...)
	if err != nil || res.code != code {
		r.t.Errorf("syncer %s: exit code %d, want %d (%v)\n%s", strings.Join(args, " "), res.code, code, err, res.stderr)
		return
	}
	wants(r.t, string(res.stderr), append(says, "Error: ", "Try: ")...)
}

// TestFaultTLSMismatch speaks TLS to what does not. The daemons keep trying,
// for the other side may be corrected, and say it.
func TestFaultTLSMismatch(t *testing.T) {
	r := newRig(t, false)
	p := r.launch("export", "-c", r.edited("cloud.yaml", `["http://`, `["https://`, `]}}`, `], tls: {}}}`))
	wants(t, line(t, p, "the source is not usable, trying again"), "https", `"try":"write http://`)
	p = r.launch("import", "-c", r.edited("edge/edge.yaml", `- "http://`, `- "https://`, "etcd:\n", "etcd:\n    tls: {}\n"))
	wants(t, line(t, p, `"state":"halted"`), `"try":"write http://`)
	r.fails(6, []string{"status", "-c", r.edited("cloud.yaml", "nats://", "tls://")}, "TLS")
}

// edited is a changed copy of a configuration, beside it.
func (r *rig) edited(name string, replace ...string) string {
	r.t.Helper()
	raw, err := os.ReadFile(r.path(name))
	if err != nil {
		r.t.Fatal(err)
	}
	text := strings.NewReplacer(replace...).Replace(string(raw))
	name = strings.TrimSuffix(name, ".yaml") + "-edited.yaml"
	r.write(name, text)
	return r.path(name)
}

// launch starts a process that the test does not expect to stay.
func (r *rig) launch(args ...string) *testbed.Process {
	r.t.Helper()
	p, err := testbed.StartProcess(testbed.ProcessConfig{Path: r.binary, Args: args})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = p.Kill() })
	return p
}

func line(t *testing.T, p *testbed.Process, text string) string {
	t.Helper()
	l, err := p.WaitLine(within(t), text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestFaultSharedDataDirectory starts second daemons on directories that are in
// use; the first ones do not notice.
func TestFaultSharedDataDirectory(t *testing.T) {
	r := newRig(t, false)
	r.start()
	r.burst(workload.Load{Ops: 200})
	r.prove()
	r.fails(1, []string{"export", "-c", r.path("cloud.yaml")}, "in use by another syncer process", "dataDir of its own")
	r.fails(1, []string{"import", "-c", r.path("edge", "edge.yaml")}, "in use by another syncer process", "dataDir of its own")
	r.fails(7, []string{"hub", "--data-dir", r.path("hub"), "--listen", "127.0.0.1:0"}, "another hub runs on it")
	r.burst(workload.Load{Ops: 200})
	r.settle()
}

// nobody is a user that may do nothing.
const nobody = 65534

// TestFaultUnreadableDataDirectory runs daemons whose files belong to somebody
// else.
func TestFaultUnreadableDataDirectory(t *testing.T) {
	r := newRig(t, false)
	binary := r.open()
	for _, test := range []struct {
		dir  string
		file string // unreadable one in it; "" is the directory itself
		args []string
	}{
		{"exporter", "", []string{"export", "-c", r.path("cloud.yaml")}},
		{"edge-data", "", []string{"import", "-c", r.path("edge", "edge.yaml"), "--data-dir", r.path("edge-data")}},
		{"edge-data", "inbox.db", []string{"import", "-c", r.path("edge", "edge.yaml"), "--data-dir", r.path("edge-data")}},
		{"hub-data", "", []string{"hub", "--data-dir", r.path("hub-data"), "--listen", "127.0.0.1:0"}},
	} {
		r.seal(test.dir, test.file)
		code, said := r.asNobody(binary, test.args...)
		if code != 1 {
			t.Errorf("%v with unreadable %s %s ends with exit code %d", test.args[0], test.dir, test.file, code)
		}
		wants(t, said, "permission denied", test.dir, "Error: ", "Try: ")
		r.removeDir(test.dir)
	}
}

// open lets every user reach the rig's files, and gives a binary that every
// user can run.
func (r *rig) open() string {
	r.t.Helper()
	for _, dir := range []string{filepath.Dir(r.dir), r.dir, r.path("edge"), r.path("hub")} {
		if err := os.Chmod(dir, 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
	for _, file := range []string{"cloud.yaml", "flags.yaml", "edge/edge.yaml"} {
		if err := os.Chmod(r.path(file), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	if os.Getuid() == 0 { // keys must be their reader's own
		for _, key := range []string{"edge/edge.nk", "hub/admin.nk"} {
			if err := os.Chown(r.path(key), nobody, nobody); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	from, err := os.Open(r.binary)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(r.path("syncer"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		r.t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		r.t.Fatal(err)
	}
	return r.path("syncer")
}

// seal makes a directory that the daemon cannot read, or one with such a file.
func (r *rig) seal(dir, file string) {
	r.t.Helper()
	path := r.path(dir)
	if err := os.MkdirAll(path, 0o700); err != nil {
		r.t.Fatal(err)
	}
	if file != "" {
		path = filepath.Join(path, file)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			r.t.Fatal(err)
		}
		if os.Getuid() == 0 {
			if err := os.Chown(r.path(dir), nobody, nobody); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(path, 0); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) removeDir(dir string) {
	r.t.Helper()
	_ = os.Chmod(r.path(dir), 0o700)
	if err := os.RemoveAll(r.path(dir)); err != nil {
		r.t.Fatal(err)
	}
}

// asNobody runs a command without the rights of root, who can read everything.
func (r *rig) asNobody(binary string, args ...string) (code int, stderr string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = r.dir
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	var said strings.Builder
	cmd.Stderr = &said
	err := cmd.Run()
	if cmd.ProcessState == nil || ctx.Err() != nil {
		r.t.Fatalf("syncer %v: %v\n%s", args, err, said.String())
	}
	return cmd.ProcessState.ExitCode(), said.String()
}
