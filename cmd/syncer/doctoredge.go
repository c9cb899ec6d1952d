package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/etcd/kine"
	"github.com/syncer-io/syncer/replicator/etcd/raw"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/wal"
)

func (d *doctor) examineEdge(path string, cfg *config.Importer) {
	d.group("configuration")
	d.ok("%s is valid: edge %s, channel %s of source %s", path, cfg.Name, cfg.Channel, cfg.Source)
	d.group("data directory")
	d.dataDir(cfg.DataDir)
	d.inbox(filepath.Join(cfg.DataDir, "inbox.db"))
	d.target(cfg)
	d.group("hub")
	d.edgeHub(cfg)
}

func (d *doctor) target(cfg *config.Importer) {
	if cfg.Target.Kubernetes != nil {
		d.group("target API server")
		d.kubernetes(cfg)
		return
	}
	d.group("target etcd")
	if cli := d.etcd(dial.Target, cfg.Target.Etcd); cli != nil {
		d.tier(cli, cfg)
		d.cursor(cli, cfg)
		if cfg.Target.Writer == config.WriterRaw {
			d.warn(raw.TryWarning, "%s", raw.Warning)
		}
		_ = cli.Close() // it was only to look
	}
}

func (d *doctor) inbox(path string) {
	s, err := wal.Inspect(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.ok("no inbox yet: the importer makes it")
	case err != nil:
		d.fail(explainLog(err))
	case s.Damage != nil:
		d.warn("start the importer: it asks again for what is missing", "the inbox is damaged: %v", s.Damage)
	default:
		d.ok("inbox: %s, %s on disk", status.Count(s.Records, "record waits", "records wait"), size(s.FileBytes))
	}
}

// cursor reads where the channel stands; the read shows that it is allowed.
func (d *doctor) cursor(cli *clientv3.Client, cfg *config.Importer) {
	ctx, cancel := context.WithTimeout(d.ctx, answerTime)
	defer cancel()
	key := target.CursorKey{Source: cfg.Source, Channel: cfg.Channel}.String()
	resp, err := cli.Get(ctx, key)
	switch {
	case err != nil:
		d.fail(dial.Explain(err, cfg.Target.Etcd.Endpoints[0], key))
	case len(resp.Kvs) == 0:
		d.ok("nothing was applied yet: no cursor at %s", key)
	default:
		d.ok("the cursor %s is there, written %s", key, status.Count(uint64(resp.Kvs[0].Version), "time", "times"))
	}
}

// tier says what the target can give.
func (d *doctor) tier(cli *clientv3.Client, cfg *config.Importer) {
	is, err := kine.Detect(d.ctx, cli, target.CursorKey{Source: cfg.Source, Channel: cfg.Channel}.String())
	switch {
	case err != nil:
		d.fail(err)
	case is:
		d.warn("use an etcd if keys have to change together: K3s runs one with --cluster-init",
			"tier %s: it changes one key at a time, keys of one source revision do not appear together", kine.Tier)
	default:
		d.ok("tier %s: a source revision is one revision here", target.TierEtcd)
	}
}

func (d *doctor) edgeHub(cfg *config.Importer) {
	ctx, cancel := context.WithTimeout(d.ctx, answerTime)
	defer cancel()
	var refusals conn.Violations
	nc, err := conn.Connect(ctx, replicator.HubOptions(cfg.Hub, conn.Options{
		Name: "syncer doctor " + cfg.Name, InboxPrefix: jetstream.InboxPrefix(cfg.Name), Logger: d.log, Violations: &refusals,
	}))
	if err != nil {
		d.fail(err)
		return
	}
	defer nc.Close()
	d.ok("reachable at %s, credentials accepted", nc.ConnectedUrlRedacted())
	if err := conn.CheckMaxPayload(nc, jetstream.MaxMessage); err != nil {
		d.fail(err)
	} else {
		d.ok("max_payload is %s", size(nc.MaxPayload()))
	}
	d.ownConsumer(ctx, nc, &refusals, cfg)
}

func (d *doctor) ownConsumer(ctx context.Context, nc *nats.Conn, refusals *conn.Violations, cfg *config.Importer) {
	watched, stop := refusals.Watch(ctx, "$JS.API.CONSUMER.INFO.>")
	defer stop()
	js, err := natsjs.New(nc)
	if err != nil {
		d.fail(err)
		return
	}
	consumer, err := js.Consumer(watched, jetstream.Stream(cfg.Source), cfg.Name)
	err = conn.Explain(watched, err)
	switch {
	case errors.Is(err, natsjs.ErrConsumerNotFound), errors.Is(err, natsjs.ErrStreamNotFound):
		d.warn("start the importer here and see that the exporter runs", "the exporter has not attached this edge yet")
	case err != nil:
		if f := conn.NoJetStream(nc, err); f != nil {
			err = f
		}
		d.fail(err)
	default:
		d.ok("%s on the hub for this edge", status.Count(consumer.CachedInfo().NumPending, "message waits", "messages wait"))
	}
}
