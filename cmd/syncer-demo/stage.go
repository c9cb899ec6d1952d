package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/jetstream/hub"
	"github.com/syncer-io/syncer/replicator/pairing"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
)

const (
	sourceName = "cloud"
	edgeName   = "store-1"
	policyName = "flags"
)

// stage is the whole installation of the demo.
type stage struct {
	cloud, edge *testbed.Etcd
	hub         *hub.Hub
	link        *testbed.Proxy // between the edge and the hub
	admin       *nats.Conn
	daemons     *errgroup.Group
	joined      time.Time
	cancel      context.CancelFunc
	logger      *slog.Logger
}

// startStage starts both etcds, the hub and the link; the daemons follow when
// the play wants them.
func startStage(ctx context.Context, dir string, o options) (*stage, error) {
	s := &stage{logger: slog.New(slog.DiscardHandler)}
	if o.verbose {
		s.logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if err := s.start(ctx, dir); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *stage) start(ctx context.Context, dir string) (err error) {
	if s.cloud, err = testbed.StartEtcd(ctx, testbed.EtcdConfig{Dir: filepath.Join(dir, "cloud-etcd")}); err != nil {
		return err
	}
	if s.edge, err = testbed.StartEtcd(ctx, testbed.EtcdConfig{Dir: filepath.Join(dir, "edge-etcd")}); err != nil {
		return err
	}
	s.hub, err = hub.Start(ctx, hub.Options{DataDir: filepath.Join(dir, "hub"), Listen: "127.0.0.1:0", Logger: s.logger})
	if err != nil {
		return err
	}
	if s.link, err = testbed.StartProxy(strings.TrimPrefix(s.hub.URL(), "nats://")); err != nil {
		return err
	}
	s.admin, err = conn.Connect(ctx, conn.Options{
		Name: "demo", InProcess: s.hub.InProcess(), CredentialsFile: s.hub.AdminSeedFile(), Logger: s.logger,
	})
	if err != nil {
		return err
	}
	return s.startDaemons(ctx, dir)
}

// startDaemons does what `syncer pair create`, `join`, `export` and `import`
// do, in this process.
func (s *stage) startDaemons(ctx context.Context, dir string) error {
	exporter, err := s.exporterConfig(dir)
	if err != nil {
		return err
	}
	importer, err := s.importerConfig(ctx, dir)
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.daemons, running = errgroup.WithContext(running)
	s.daemons.Go(func() error { return replicator.Export(running, exporter, s.logger.With("daemon", "exporter")) })
	s.daemons.Go(func() error { return replicator.Import(running, importer, s.logger.With("daemon", "importer")) })
	return nil
}

func (s *stage) exporterConfig(dir string) (*config.Exporter, error) {
	const policy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  rules:
    - prefix: /flags/
      exclude: [/flags/private/]
      to: /edge/flags/
`
	if err := os.WriteFile(filepath.Join(dir, "flags.yaml"), []byte(policy), 0o600); err != nil {
		return nil, fmt.Errorf("write the policy: %w", err)
	}
	path := filepath.Join(dir, "cloud.yaml")
	text := fmt.Sprintf(`apiVersion: syncer/v1alpha1
kind: Exporter
name: %s
source: {etcd: {endpoints: [%q]}}
hub: {url: %q, credentials: %q}
policies: [flags.yaml]
dataDir: exporter
heartbeat: 500ms
`, sourceName, s.cloud.Endpoint(), s.hub.URL(), s.hub.AdminSeedFile())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	return config.LoadExporter(path)
}

func (s *stage) importerConfig(ctx context.Context, dir string) (*config.Importer, error) {
	token, _, err := s.hub.Pairs().Create(ctx, pairing.Offer{Name: edgeName, Source: sourceName, Policy: policyName})
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "importer")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("make the edge's directory: %w", err)
	}
	key := filepath.Join(data, "edge.nk")
	url := "nats://" + s.link.Address()
	grant, err := pairing.Join(ctx, pairing.JoinOptions{URL: url, Token: token.Reveal(), KeyFile: key, Logger: s.logger})
	if err != nil {
		return nil, err
	}
	s.joined = time.Now()
	cfg := &config.Importer{
		Name: grant.Name, Source: grant.Source, Channel: grant.Channel, DataDir: data,
		Hub:    config.HubLink{URL: url, Credentials: key},
		Target: config.Cluster{Etcd: config.Etcd{Endpoints: []string{s.edge.Endpoint()}}},
	}
	cfg.SetDefaults()
	return cfg, nil
}

// report is the edge's status as `syncer status` judges it, and the newest
// revision that the exporter has published.
func (s *stage) report(ctx context.Context) (status.Item, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	all, err := jetstream.ReadStatuses(ctx, s.admin, sourceName)
	if err != nil {
		return status.Item{}, 0, err
	}
	list := status.Merge(status.Observation{
		Source: sourceName, Now: all.Now, Exporter: all.Exporter, Edges: all.Edges,
		Pairs: []status.Pair{{Name: edgeName, Policy: policyName, Joined: s.joined}},
	})
	return list.Items[0], list.Source.Revision, nil
}

// stop ends the daemons, then what they use.
func (s *stage) stop() error {
	var errs []error
	if s.cancel != nil {
		s.cancel()
		errs = append(errs, s.daemons.Wait())
	}
	if s.admin != nil {
		s.admin.Close()
	}
	if s.link != nil {
		errs = append(errs, s.link.Close())
	}
	if s.hub != nil {
		errs = append(errs, s.hub.Stop())
	}
	for _, e := range []*testbed.Etcd{s.edge, s.cloud} {
		if e != nil {
			errs = append(errs, e.Close())
		}
	}
	return errors.Join(errs...)
}
