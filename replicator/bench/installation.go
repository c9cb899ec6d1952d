package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// installation is syncer: a hub, an exporter and an importer, each a process
// of the built binary, paired and joined with the commands that users run.
type installation struct {
	lab     *lab
	bed     *bed
	dir     string
	address string         // of the hub
	link    *testbed.Proxy // between the edge and the hub; may be nil
	rtt     time.Duration  // of the link
	linked  bool           // the edge is joined over a link
	cold    bool           // start starts all three; otherwise hub and exporter run already
	running children
}

// warm is an edge that joins a hub and an exporter that run.
func (l *lab) warm(b *bed) rig { return &installation{lab: l, bed: b, running: children{}} }

// cold is an installation of which nothing runs.
func (l *lab) cold(b *bed) rig { return &installation{lab: l, bed: b, running: children{}, cold: true} }

const (
	sourceName = "cloud"
	edgeName   = "store-1"
)

func (s *installation) path(name string) string { return filepath.Join(s.dir, name) }

// prepare pairs and joins the edge. That is done once per edge, by people.
func (s *installation) prepare(ctx context.Context) error {
	var err error
	if s.dir, err = os.MkdirTemp(s.bed.dir, "syncer-"); err != nil {
		return fmt.Errorf("make the data directories: %w", err)
	}
	if s.address, err = testbed.FreeAddress(); err != nil {
		return err
	}
	if err := s.startHub(); err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := s.running["hub"].WaitLine(ready, "The hub listens"); err != nil {
		return err
	}
	if err := s.configure(); err != nil {
		return err
	}
	if err := s.join(ctx); err != nil {
		return err
	}
	if s.cold {
		return s.running.stop()
	}
	if err := s.startExporter(); err != nil {
		return err
	}
	return s.awaitExporter(ctx)
}

func (s *installation) configure() error {
	policy := fmt.Sprintf("apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: bench}\nspec:\n  rules:\n    - prefix: %s\n", prefix)
	cloud := fmt.Sprintf(`apiVersion: syncer/v1alpha1
kind: Exporter
name: %s
source: {etcd: {endpoints: [%q]}}
hub: {url: "nats://%s", credentials: hub/admin.nk}
policies: [bench.yaml]
dataDir: exporter
`, sourceName, s.bed.source.Endpoint(), s.address)
	return errors.Join(
		os.WriteFile(s.path("bench.yaml"), []byte(policy), 0o600),
		os.WriteFile(s.path("cloud.yaml"), []byte(cloud), 0o600))
}

func (s *installation) join(ctx context.Context) error {
	out, err := command(ctx, s.lab.binary, "pair", "create", edgeName, "--policy", "bench", "-c", s.path("cloud.yaml"), "-o", "json")
	if err != nil {
		return err
	}
	var offer struct{ Token string }
	if err := json.Unmarshal(out, &offer); err != nil {
		return fmt.Errorf("read the offer of a pair: %w", err)
	}
	address := s.address
	if s.linked {
		if s.link, err = testbed.StartProxy(address); err != nil {
			return err
		}
		s.link.Delay(s.rtt)
		address = s.link.Address()
	}
	_, err = command(ctx, s.lab.binary, "join", "nats://"+address, "--token", offer.Token,
		"--target-etcd", s.bed.target.Endpoint(), "--data-dir", s.path("edge"))
	return err
}

func (s *installation) start(context.Context) error {
	if s.cold {
		if err := errors.Join(s.startHub(), s.startExporter()); err != nil {
			return err
		}
	}
	return s.daemon("importer", "import", "-c", s.path("edge/edge.yaml"))
}

func (s *installation) startHub() error {
	return s.daemon("hub", "hub", "--data-dir", s.path("hub"), "--listen", s.address)
}

func (s *installation) startExporter() error {
	return s.daemon("exporter", "export", "-c", s.path("cloud.yaml"))
}

func (s *installation) daemon(name string, args ...string) error {
	config := testbed.ProcessConfig{Path: s.lab.binary, Args: args}
	if s.lab.profile != "" {
		if err := s.lab.profiled(name, &config); err != nil {
			return err
		}
	}
	p, err := testbed.StartProcess(config)
	if err == nil {
		s.running[name] = p
	}
	return err
}

// awaitExporter waits until the exporter says that it knows every key.
func (s *installation) awaitExporter(ctx context.Context) error {
	source, _ := s.bed.clients()
	resp, err := source.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return fmt.Errorf("count the keys of the source: %w", err)
	}
	return s.awaitChannel(ctx, func(c status.Channel) bool { return c.Keys == uint64(resp.Count) })
}

// awaitChannel waits until the exporter says so of its channel.
func (s *installation) awaitChannel(ctx context.Context, says func(status.Channel) bool) error {
	nc, err := s.admin(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	err = poll(ctx, 2*time.Minute, func() (bool, error) {
		all, err := jetstream.ReadStatuses(ctx, nc, sourceName)
		if err != nil || all.Exporter == nil || len(all.Exporter.Channels) == 0 {
			return false, err
		}
		return says(all.Exporter.Channels[0]), nil
	})
	if err != nil {
		return fmt.Errorf("wait for the exporter: %w; its last output:\n%s", err, s.running["exporter"].Output())
	}
	return nil
}

// admin is a connection of the hub's admin. The caller closes it.
func (s *installation) admin(ctx context.Context) (*nats.Conn, error) {
	return conn.Connect(ctx, conn.Options{URLs: []string{"nats://" + s.address}, CredentialsFile: s.path("hub/admin.nk"), Name: "bench"})
}

func (s *installation) proven(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	_, err := s.running["importer"].WaitLine(ctx, `"state":"in-sync"`)
	return err == nil, err
}

func (s *installation) usage() (usage, error) { return s.running.usage() }

func (s *installation) stop() error {
	err := s.running.stop()
	if s.link != nil {
		_ = s.link.Close() // nothing is carried any more
	}
	if s.dir == "" {
		return err
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
