package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/guarantee"
	"github.com/syncer-io/syncer/replicator/testbed/kine"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// The etcds of a rig are this test binary started again.
func init() { testbed.Main() }

// builtBinary builds syncer once for all tests.
var builtBinary = sync.OnceValues(func() (string, error) { return build("syncer-under-test") })

// build builds syncer beside the test binary: the go command removes both when
// the tests have ended.
func build(name string, flags ...string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(self), name)
	args := append([]string{"build", "-o", path}, flags...)
	out, err := exec.Command("go", append(args, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go %v: %w\n%s", args, err, out)
	}
	return path, nil
}

// rig is a whole installation of real processes: two etcds, a hub, an exporter
// and an importer, with a link between the edge and the hub.
type rig struct {
	t      *testing.T
	dir    string
	binary string
	seed   uint64
	random *rand.Rand

	source, target *testbed.EtcdProcess
	kine           *kine.Server   // instead of target, when the edge has one
	plane          *kube.Plane    // instead of target, when the edge is a cluster
	address        string         // of the hub
	link           *testbed.Proxy // in front of it, for the edge

	hub, exporter, importer *daemon

	truth  *truth
	claims *claims
}

const policy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  rules:
    - name: flags
      prefix: /flags/
      exclude: [/flags/private/]
      to: /edge/flags/
      maxDeletePercent: 100
    - name: apps
      prefix: /apps/
      maxDeletePercent: 100
`

// guardedRule and heldRule may be added to it.
const (
	guardedRule = "    - name: guarded\n      prefix: /guarded/\n"
	heldRule    = "    - name: held\n      prefix: /held/\n      maxDeletePercent: 100\n      conflict: hold\n"
)

// rules is the policy with all its rules in the words of the validators.
var rules = guarantee.Rules{
	{Prefix: "/flags/", Exclude: []string{"/flags/private/"}, To: "/edge/flags/"},
	{Prefix: "/apps/"},
	{Prefix: "/guarded/"},
	{Prefix: "/held/"},
}

// prefixes mixes keys inside the selection, excluded from it, and outside.
var prefixes = []string{"/flags/", "/flags/private/", "/apps/", "/other/"}

// newRig builds an installation in which the hub runs and the edge has joined.
// durable makes the etcds survive a SIGKILL.
func newRig(t *testing.T, durable bool) *rig {
	t.Helper()
	etcd := testbed.EtcdConfig{Fast: !durable}
	return newRigOf(t, parts{binary: builtBinary, source: etcd, target: etcd, join: (*rig).joins})
}

// parts are what a rig is made of.
type parts struct {
	binary         func() (string, error)
	source, target testbed.EtcdConfig
	kine           bool // the target is one
	plane          *kube.Plane
	join           func(r *rig, command []string)
}

func newRigOf(t *testing.T, p parts) *rig {
	t.Helper()
	binary, err := p.binary()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: t.TempDir(), binary: binary}
	if r.seed, err = workload.Seed(t.Logf); err != nil {
		t.Fatal(err)
	}
	r.random = rand.New(rand.NewPCG(r.seed, 1))
	r.source = testbed.NewEtcdProcess(t, p.source)
	switch {
	case p.plane != nil:
		r.plane = p.plane
	case p.kine:
		r.kine = kine.New(t)
	default:
		r.target = testbed.NewEtcdProcess(t, p.target)
	}
	if r.address, err = testbed.FreeAddress(); err != nil {
		t.Fatal(err)
	}
	r.link = testbed.NewProxy(t, r.address)
	r.hub = newDaemon(t, "the hub", binary, "hub", "--data-dir", r.path("hub"), "--listen", r.address)
	r.exporter = newDaemon(t, "the exporter", binary, "export", "-c", r.path("cloud.yaml"))
	r.importer = newDaemon(t, "the importer", binary, "import", "-c", r.path("edge", "edge.yaml"))
	p.join(r, r.configure())
	r.truth = r.record()
	return r
}

// store is what an end of the rig is kept in.
type store interface {
	Endpoint() string
	Client() *clientv3.Client
}

// store is the edge's.
func (r *rig) store() store {
	switch {
	case r.plane != nil:
		return r.plane.Etcd
	case r.kine != nil:
		return r.kine
	}
	return r.target
}

func (r *rig) path(elements ...string) string {
	return filepath.Join(append([]string{r.dir}, elements...)...)
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(r.path(name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// configure starts the hub and makes the pair, by the command line. It gives
// the command with which the edge joins.
func (r *rig) configure() (join []string) {
	r.t.Helper()
	r.hub.start()
	r.hub.says(r.t, 0, "The hub listens on")
	r.write("flags.yaml", policy)
	r.write("cloud.yaml", fmt.Sprintf(`apiVersion: syncer/v1alpha1
kind: Exporter
name: cloud
source: {etcd: {endpoints: [%q]}}
hub: {url: %q, credentials: hub/admin.nk}
policies: [flags.yaml]
dataDir: exporter
heartbeat: 500ms
`, r.source.Endpoint(), "nats://"+r.address))
	var offer struct{ Token string }
	out := r.must("pair", "create", "store-1", "--policy", "flags", "-o", "json", "-c", r.path("cloud.yaml"))
	if err := json.Unmarshal(out, &offer); err != nil {
		r.t.Fatalf("pair create printed %q: %v", out, err)
	}
	join = []string{"join", "nats://" + r.link.Address(), "--token", offer.Token, "--data-dir", r.path("edge")}
	if r.plane != nil {
		return append(join, "--target-kubeconfig", r.plane.Kubeconfig())
	}
	return append(join, "--target-etcd", r.store().Endpoint())
}

func (r *rig) joins(command []string) {
	r.t.Helper()
	r.must(command...)
}

// result is how a command ended.
type result struct {
	code           int
	stdout, stderr []byte
}

// command runs one command of syncer to its end.
func (r *rig) command(ctx context.Context, args ...string) (result, error) {
	return runCommand(ctx, r.binary, args...)
}

func runCommand(ctx context.Context, binary string, args ...string) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		err = nil
	}
	return result{cmd.ProcessState.ExitCode(), stdout.Bytes(), stderr.Bytes()}, err
}

// must runs a command that has to succeed.
func (r *rig) must(args ...string) []byte {
	r.t.Helper()
	res, err := r.command(r.t.Context(), args...)
	if err != nil || res.code != 0 {
		r.t.Fatalf("syncer %v: exit code %d, %v\n%s%s", args, res.code, err, res.stdout, res.stderr)
	}
	return res.stdout
}

// start starts the daemons and listens to what status claims from now on.
func (r *rig) start() {
	r.t.Helper()
	r.exporter.start()
	r.importer.start()
	r.claims = r.listen()
}

// load writes to the source until stop is called.
func (r *rig) load(l workload.Load) (stop func()) {
	r.t.Helper()
	l.Seed, l.Shape.Prefixes, l.Shape.TextOnly = r.seed, prefixes, r.kine != nil
	ctx, cancel := context.WithCancel(context.Background())
	type outcome struct {
		report workload.Report
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		report, err := workload.Run(ctx, r.source.Client(), l)
		done <- outcome{report, err}
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		o := <-done
		if o.err != nil {
			r.t.Errorf("workload: %v", o.err)
		}
		r.t.Logf("workload: %v", o.report)
	}
	r.t.Cleanup(stop)
	return stop
}

// usual is a load that a busy machine still carries.
var usual = workload.Load{Writers: 2, Rate: 120}

// write a burst and wait for its end.
func (r *rig) burst(l workload.Load) {
	r.t.Helper()
	l.Seed, l.Shape.Prefixes, l.Shape.TextOnly = r.random.Uint64(), prefixes, r.kine != nil
	report, err := workload.Run(r.t.Context(), r.source.Client(), l)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Logf("burst: %v", report)
}

// pause lets things happen for a random time: often hardly any, so that
// processes die while they start, sometimes long enough to get far.
func (r *rig) pause(longest time.Duration) {
	r.t.Helper()
	if r.random.IntN(4) == 0 {
		longest = 50 * time.Millisecond
	}
	r.hold(time.Duration(r.random.Int64N(int64(longest))))
}

// hold lets the situation last.
func (r *rig) hold(d time.Duration) {
	r.t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.t.Context().Done():
		r.t.Fatal(context.Cause(r.t.Context()))
	}
}

// Rounds are counted against this number, that of the three daemons' kills in
// the full run.
const fullRounds = 40

// rounds scales a number of rounds by SYNCER_FAULT_ROUNDS.
func rounds(t *testing.T, full int) int {
	t.Helper()
	text, ok := os.LookupEnv("SYNCER_FAULT_ROUNDS")
	if !ok {
		return full
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("SYNCER_FAULT_ROUNDS=%q is not a number of rounds (%d is the full run)", text, fullRounds)
	}
	return max(1, full*n/fullRounds)
}

// settle waits until the edge proves that it is in sync, and holds everything
// that was recorded and claimed against the truth. The load must have ended.
func (r *rig) settle() {
	r.t.Helper()
	r.prove()
	r.claims.stop()
	r.truth.check()
	r.truth.honest(r.claims.all())
}

// prove waits until status says in-sync, and insists that it is so.
func (r *rig) prove() {
	r.t.Helper()
	began := time.Now()
	args := []string{"status", "store-1", "-o", "json", "-c", r.path("cloud.yaml")}
	waiting := append(args, "--wait", "--for=in-sync", "--timeout", patience.String())
	res, err := r.command(r.t.Context(), waiting...)
	if err != nil || res.code != 0 {
		r.t.Fatalf("the edge never proved to be in sync: exit code %d, %v\n%s%s", res.code, err, res.stdout, res.stderr)
	}
	if err := r.truth.equal(); err != nil {
		r.t.Fatalf("status says in-sync, and it is not so: %v\n%s", err, res.stdout)
	}
	asked := time.Now()
	res, err = r.command(r.t.Context(), args...)
	if err != nil {
		r.t.Fatal(err)
	}
	it, err := only(res.stdout)
	if err != nil {
		r.t.Fatalf("%v\n%s%s", err, res.stdout, res.stderr)
	}
	r.claims.add(claim{asked: asked, answered: time.Now(), item: it})
	r.t.Logf("in sync %v after the load: %s at revision %d, verified %d, keys %d, gaps %d, resyncs %d, replayed %d, mismatches %d",
		time.Since(began).Round(time.Millisecond), it.Lineage, it.AppliedRevision, it.VerifiedRevision, it.Keys, it.Gaps, it.Resyncs, it.Replayed, it.Mismatches)
	if res.code != 0 || it.State != "in-sync" || it.Reason != "" || it.LagRevisions == nil || *it.LagRevisions != 0 || it.AgeSeconds == nil {
		r.t.Errorf("a quiet edge in sync reports, with exit code %d:\n%s", res.code, res.stdout)
	}
}
