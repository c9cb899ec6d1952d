package e2e

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/jetstream/hub"
	"github.com/syncer-io/syncer/replicator/pairing"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// site is a whole installation in one process: a source and a target etcd, a
// hub, an exporter and an importer that the test starts and stops.
type site struct {
	t       *testing.T
	dir     string
	source  *testbed.Etcd
	target  *testbed.Etcd
	hub     *hub.Hub
	address string     // of the hub, the same over restarts
	cluster *clustered // instead of hub and address
	edge    *config.Importer
	cloud   *config.Exporter
	logger  *slog.Logger

	policy       string             // of the channel
	reads        string             // what cloud.yaml says of the source, when that is not its etcd alone
	writes       string             // what edge.yaml says of the target, when that is not its etcd
	targetConfig testbed.EtcdConfig // of the target
	heartbeat    time.Duration      // of the exporter

	// Links in front of the hub, when the test asks for them.
	edgeLink, cloudLink *testbed.Proxy
	// targetLink is in front of the target, for the importer only.
	targetLink *testbed.Proxy
	linkTarget bool

	shelves map[string]map[string]string // what edges of a store are to hold

	admin   *nats.Conn
	reports *reports
}

// option changes a site before it is configured.
type option func(*site)

// withLinks puts a link of the test's own between each daemon and the hub.
func withLinks(s *site) {
	s.edgeLink, s.cloudLink = testbed.NewProxy(s.t, s.address), testbed.NewProxy(s.t, s.address)
}

// policy lets rules lose all their keys: what the guard does has tests of its
// own.
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

// withTargetLink puts a link of the test's own between the importer and its
// etcd.
func withTargetLink(s *site) { s.linkTarget = true }

// withPolicy is a site with another policy.
func withPolicy(text string) option { return func(s *site) { s.policy = text } }

// between is a site from one etcd to another that there are already.
func between(source, target *testbed.Etcd) option {
	return func(s *site) { s.source, s.target = source, target }
}

// withSlowHeartbeat leaves a test time to look before the next proof is due.
func withSlowHeartbeat(s *site) { s.heartbeat = 4 * time.Second }

// withTarget is a site with another target.
func withTarget(c testbed.EtcdConfig) option { return func(s *site) { s.targetConfig = c } }

func (s *site) targetEndpoint() string {
	if s.targetLink == nil {
		return s.target.Endpoint()
	}
	return "http://" + s.targetLink.Address()
}

func newSite(t *testing.T, options ...option) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), shelves: map[string]map[string]string{}}
	s.logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	s.policy, s.targetConfig, s.heartbeat = policy, testbed.EtcdConfig{Fast: true}, 200*time.Millisecond
	address, err := testbed.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s.address = address
	for _, o := range options {
		o(s)
	}
	if s.source == nil {
		s.source = testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true})
	}
	if s.target == nil {
		s.target = testbed.NewEtcd(t, s.targetConfig)
	}
	if s.linkTarget {
		s.targetLink = testbed.NewProxy(t, s.target.Address())
	}
	if s.cluster == nil {
		s.startHub()
	}
	s.write("flags.yaml", s.policy)
	s.configure()
	s.listen()
	return s
}

// via is the hub's URL over a link, or without one.
func (s *site) via(link *testbed.Proxy) string {
	switch {
	case link != nil:
		return "nats://" + link.Address()
	case s.cluster != nil:
		return s.cluster.URLs()
	default:
		return "nats://" + s.address
	}
}

func (s *site) write(name, text string) string {
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *site) startHub() {
	s.t.Helper()
	h, err := hub.Start(s.t.Context(), hub.Options{DataDir: s.hubDir(), Listen: s.address, Logger: s.logger})
	if err != nil {
		s.t.Fatalf("start the hub: %v", err)
	}
	s.hub = h
	s.t.Cleanup(func() { _ = h.Stop() })
}

func (s *site) stopHub() {
	s.t.Helper()
	if err := s.hub.Stop(); err != nil {
		s.t.Fatalf("stop the hub: %v", err)
	}
}

// adminSeed is the file with the key that may do everything at the hub.
func (s *site) adminSeed() string {
	if s.cluster != nil {
		return s.cluster.adminSeed
	}
	return s.hub.AdminSeedFile()
}

func (s *site) replicas() int {
	if s.cluster != nil {
		return len(s.cluster.Nodes())
	}
	return 1
}

func (s *site) hubDir() string { return filepath.Join(s.dir, "hub") }

func (s *site) configure() {
	path := s.write("cloud.yaml", fmt.Sprintf(`apiVersion: syncer/v1alpha1
kind: Exporter
name: cloud
source: %s
hub: {url: %q, credentials: %q}
policies: [flags.yaml]
dataDir: exporter
heartbeat: %v
stream: {replicas: %d}
`, cmp.Or(s.reads, fmt.Sprintf("{etcd: {endpoints: [%q]}}", s.source.Endpoint())), s.via(s.cloudLink), s.adminSeed(), s.heartbeat, s.replicas()))
	cloud, err := config.LoadExporter(path)
	if err != nil {
		s.t.Fatalf("load cloud.yaml: %v", err)
	}
	s.cloud = cloud
	grant := s.pair()
	path = s.write("edge.yaml", fmt.Sprintf(`apiVersion: syncer/v1alpha1
kind: Importer
name: %s
source: %s
channel: %s
hub: {url: %q, credentials: edge/edge.nk}
target: %s
dataDir: edge
`, grant.Name, grant.Source, grant.Channel, s.via(s.edgeLink), cmp.Or(s.writes, fmt.Sprintf("{etcd: {endpoints: [%q]}}", s.targetEndpoint()))))
	if s.edge, err = config.LoadImporter(path); err != nil {
		s.t.Fatalf("load edge.yaml: %v", err)
	}
}

// theEdge is the pair of the site.
var theEdge = pairing.Offer{Name: "store-1", Source: "cloud", Policy: "flags"}

func (s *site) edgeKey() string {
	key := filepath.Join(s.dir, "edge", "edge.nk")
	if err := os.MkdirAll(filepath.Dir(key), 0o700); err != nil {
		s.t.Fatal(err)
	}
	return key
}

// pair has the edge join, or enrolls it where nobody answers a token.
func (s *site) pair() pairing.Grant {
	s.t.Helper()
	if s.cluster != nil {
		return s.cluster.enroll(s)
	}
	token, _, err := s.hub.Pairs().Create(s.t.Context(), theEdge)
	if err != nil {
		s.t.Fatalf("create the pair: %v", err)
	}
	grant, err := pairing.Join(s.t.Context(), pairing.JoinOptions{URL: s.hub.URL(), Token: token.Reveal(), KeyFile: s.edgeKey(), Logger: s.logger})
	if err != nil {
		s.t.Fatalf("join: %v", err)
	}
	return grant
}

// daemon runs fn until stop is called or the test ends, and reports its error.
func (s *site) daemon(name string, fn func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- fn(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("%s: %v", name, err)
		}
	}
	s.t.Cleanup(stop)
	return stop
}

func (s *site) startExporter() (stop func()) {
	return s.daemon("exporter", s.exporterOf(s.cloud))
}

func (s *site) exporterOf(cfg *config.Exporter) func(context.Context) error {
	logger := s.logger.With("daemon", filepath.Base(cfg.DataDir))
	return func(ctx context.Context) error { return replicator.Export(ctx, cfg, logger) }
}

func (s *site) startImporter() (stop func()) {
	return s.daemon("importer", func(ctx context.Context) error {
		return replicator.Import(ctx, s.edge, s.logger.With("daemon", "importer"))
	})
}

func (s *site) content(cli *clientv3.Client, prefix string) map[string]string {
	resp, err := cli.Get(s.t.Context(), prefix, clientv3.WithPrefix())
	if err != nil {
		s.t.Fatalf("read %s: %v", prefix, err)
	}
	out := map[string]string{}
	for _, kv := range resp.Kvs {
		out[string(kv.Key)] = string(kv.Value)
	}
	return out
}

// want is the target's selection as the source has it now.
func (s *site) want() map[string]string {
	out := s.content(s.source.Client(), "/apps/")
	for k, v := range s.content(s.source.Client(), "/flags/") {
		if len(k) < len("/flags/private/") || k[:len("/flags/private/")] != "/flags/private/" {
			out["/edge"+k] = v
		}
	}
	return out
}

func (s *site) have() map[string]string {
	out := s.content(s.target.Client(), "/apps/")
	for k, v := range s.content(s.target.Client(), "/edge/flags/") {
		if len(k) < len("/edge/flags/private/") || k[:len("/edge/flags/private/")] != "/edge/flags/private/" {
			out[k] = v
		}
	}
	return out
}

func same(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

// waitEqual waits until the target holds what the source holds; the source
// must be quiet.
func (s *site) waitEqual(timeout time.Duration) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), timeout)
	defer cancel()
	watch := s.target.Client().Watch(ctx, "", clientv3.WithPrefix())
	for {
		want, have := s.want(), s.have()
		if same(want, have) {
			return
		}
		select {
		case <-watch:
		case <-ctx.Done():
			s.t.Fatalf("not equal after %v: source %d keys, target %d keys", timeout, len(want), len(have))
		}
	}
}
