package replicator

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/control"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/exporter"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/importer"
	"github.com/syncer-io/syncer/replicator/instrument"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/jetstream/hub"
	"github.com/syncer-io/syncer/replicator/pairing"
)

// errDone ends a daemon's group when its context is done.
var errDone = errors.New("done")

func finish(err error) error {
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// Hub runs the embedded hub until ctx is done. ready, which may be nil, is
// called once it listens.
func Hub(ctx context.Context, o hub.Options, ready func(*hub.Hub)) error {
	h, err := hub.Start(ctx, o)
	if err != nil {
		return err
	}
	if ready != nil {
		ready(h)
	}
	<-ctx.Done()
	return h.Stop()
}

// Export runs an exporter, and its embedded hub if the configuration has one,
// until ctx is done.
func Export(ctx context.Context, cfg *config.Exporter, logger *slog.Logger) (err error) {
	dir, err := OpenDataDir(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	instance, err := dir.Instance()
	if err != nil {
		return err
	}
	link := conn.Options{Name: "syncer exporter " + cfg.Name, KeepTrying: true, Logger: logger}
	if cfg.Hub.Embedded != nil {
		h, err := hub.Start(ctx, EmbeddedHub(cfg, logger))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, h.Stop()) }()
		logger.Info("the hub listens", "url", h.URL())
		link.InProcess, link.CredentialsFile = h.InProcess(), h.AdminSeedFile()
	} else {
		link = HubOptions(cfg.Hub.Link(), link)
	}
	nc, err := conn.Connect(ctx, link)
	if err != nil {
		return err
	}
	defer nc.Close()
	from := newReading(cfg, logger)
	defer func() { err = errors.Join(err, from.close()) }()
	return export(ctx, cfg, instance, nc, from, logger)
}

func export(ctx context.Context, cfg *config.Exporter, instance string, nc *nats.Conn, from *reading, logger *slog.Logger) error {
	ex := exporter.New(exporter.Config{
		Name:       cfg.Name,
		Instance:   instance,
		Version:    Version,
		DataDir:    cfg.DataDir,
		Heartbeat:  cfg.Heartbeat,
		SpoolBytes: int64(cfg.Spool.MaxBytes),
		Ready:      func(ctx context.Context) error { return checkHub(ctx, nc) },
		Stream: jetstream.LogConfig{
			Source:   cfg.Name,
			MaxBytes: int64(cfg.Stream.MaxBytes),
			MaxAge:   cfg.Stream.MaxAge,
			Replicas: cfg.Stream.Replicas,
		},
		Policies: cfg.Loaded,
		Cluster:  cfg.Cluster(),
		Owned:    from.owned,
		Tier:     from.tier(),
	}, nc, from.open, &pairs{nc: nc, source: cfg.Name, replicas: cfg.Stream.Replicas}, logger)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return from.connect(ctx) })
	group.Go(func() error {
		<-from.tried
		if err := ex.Run(ctx); err != nil {
			return err
		}
		return errDone
	})
	if cfg.Metrics.Listen != "" {
		group.Go(func() error { return instrument.Serve(ctx, cfg.Metrics.Listen, instrument.Exporter(ex.Status)) })
	}
	return finish(group.Wait())
}

// EmbeddedHub is the configuration of the hub inside an exporter.
func EmbeddedHub(cfg *config.Exporter, logger *slog.Logger) hub.Options {
	e := cfg.Hub.Embedded
	o := hub.Options{DataDir: e.DataDir, Listen: e.Listen, MaxBytes: int64(e.MaxBytes), Logger: logger}
	if e.TLS != nil {
		o.TLS = conn.TLS{CA: e.TLS.CA, Cert: e.TLS.Cert, Key: e.TLS.Key}
	}
	return o
}

// HubOptions adds how to reach a hub to o.
func HubOptions(l config.HubLink, o conn.Options) conn.Options {
	o.URLs, o.CredentialsFile = l.URLs(), l.Credentials
	if l.TLS != nil {
		o.TLS = conn.TLS{CA: l.TLS.CA, Cert: l.TLS.Cert, Key: l.TLS.Key, ServerName: l.TLS.ServerName}
	}
	return o
}

// EtcdConfig is how to reach the etcd of a configuration.
func EtcdConfig(e config.Etcd) dial.Config {
	d := dial.Config{Endpoints: e.Endpoints, Username: e.User, PasswordFile: e.PasswordFile}
	if e.TLS != nil {
		d.TLS = &dial.TLS{CA: e.TLS.CA, Cert: e.TLS.Cert, Key: e.TLS.Key, ServerName: e.TLS.ServerName}
	}
	return d
}

// targetWindow bounds what a target sends ahead. It stands beside its importer,
// so little is on the way, and an edge's memory is small.
const targetWindow = 256 << 10

func connect(ctx context.Context, role dial.Role, e config.Etcd, logger *slog.Logger) (*clientv3.Client, error) {
	cfg := EtcdConfig(e)
	if role == dial.Target {
		cfg.Window = targetWindow
	}
	cli, err := dial.Dial(ctx, cfg, logger)
	if err != nil {
		return nil, err
	}
	server, err := dial.Check(ctx, cli, role)
	if err != nil {
		return nil, errors.Join(err, cli.Close())
	}
	for _, w := range server.Warnings {
		logger.Warn("the etcd deserves attention", "role", string(role), "warning", w)
	}
	return cli, nil
}

// checkHub is nil when the hub answers and can carry frames.
func checkHub(ctx context.Context, nc *nats.Conn) error {
	if !nc.IsConnected() {
		err := nc.LastError()
		if err == nil {
			err = nats.ErrConnectionReconnecting
		}
		return fault.New(fault.Unreachable, "check the hub's address and that it runs", "the hub is not reachable: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := conn.CheckJetStream(ctx, nc); err != nil {
		return err
	}
	return conn.CheckMaxPayload(nc, jetstream.MaxMessage)
}

// pairs looks edges up in the registry on the hub.
type pairs struct {
	nc       *nats.Conn
	source   string
	replicas int
}

// Edge implements exporter.Pairs.
func (p *pairs) Edge(ctx context.Context, name string) (exporter.Edge, bool, error) {
	registry, err := pairing.OpenReplicated(ctx, p.nc, p.replicas, time.Now)
	if err != nil {
		return exporter.Edge{}, false, err
	}
	rec, err := registry.Get(ctx, name)
	if errors.Is(err, pairing.ErrNoPair) {
		return exporter.Edge{}, false, nil
	}
	if err != nil {
		return exporter.Edge{}, false, err
	}
	return edgeOf(rec), rec.State == pairing.Paired && rec.Source == p.source, nil
}

// Edges implements exporter.Pairs.
func (p *pairs) Edges(ctx context.Context) ([]exporter.Edge, error) {
	registry, err := pairing.OpenReplicated(ctx, p.nc, p.replicas, time.Now)
	if err != nil {
		return nil, err
	}
	var edges []exporter.Edge
	now := time.Now()
	complete := false
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err = registry.Follow(ctx, func(e pairing.Entry) {
		// A record that cannot be read is one of a pair that is shut out.
		if r := e.Record; e.Err == nil && r.Source == p.source && r.State != pairing.Removed && !r.Expired(now) {
			edges = append(edges, edgeOf(r))
		}
	}, func() { complete = true; stop() })
	if !complete {
		return nil, err
	}
	return edges, nil
}

// pairPause is the wait before the pairs are listened to again.
const pairPause = time.Second

// Follow implements exporter.Pairs.
func (p *pairs) Follow(ctx context.Context, fn func([]exporter.Edge) error) error {
	for {
		err := p.followOnce(ctx, fn)
		var stop *stopped
		if errors.As(err, &stop) {
			return stop.error
		}
		select {
		case <-time.After(pairPause): // the hub was away
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stopped is an error of who is told of pairs, apart from those of the hub.
type stopped struct{ error }

// pairsSettle is how long changes of pairs are gathered before they are told.
const pairsSettle = 200 * time.Millisecond

func (p *pairs) followOnce(ctx context.Context, fn func([]exporter.Edge) error) error {
	registry, err := pairing.OpenReplicated(ctx, p.nc, p.replicas, time.Now)
	if err != nil {
		return err
	}
	changed := make(chan struct{}, 1)
	note := func() {
		select {
		case changed <- struct{}{}:
		default: // it is noted already
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return registry.Follow(ctx, func(pairing.Entry) { note() }, note) })
	group.Go(func() error { return p.tell(ctx, changed, fn) })
	return group.Wait()
}

// tell gives fn the pairs soon after each change.
func (p *pairs) tell(ctx context.Context, changed <-chan struct{}, fn func([]exporter.Edge) error) error {
	for {
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		select {
		case <-time.After(pairsSettle):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		edges, err := p.Edges(ctx)
		if err != nil {
			return err
		}
		if err := fn(edges); err != nil {
			return &stopped{err}
		}
	}
}

func edgeOf(r pairing.Record) exporter.Edge {
	return exporter.Edge{Edge: filter.Edge{Name: r.Name, Labels: r.Labels}, Policy: r.Policy}
}

// MayReply implements exporter.Pairs.
func (p *pairs) MayReply(edge, subject string) bool {
	return pairing.ReplyAllowed(jetstream.InboxPrefix(edge), subject)
}

// Import runs an importer until ctx is done.
func Import(ctx context.Context, cfg *config.Importer, logger *slog.Logger) (err error) {
	dir, err := OpenDataDir(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	nc, err := conn.Connect(ctx, HubOptions(cfg.Hub, conn.Options{
		Name:        "syncer importer " + cfg.Name,
		InboxPrefix: jetstream.InboxPrefix(cfg.Name),
		KeepTrying:  true,
		Logger:      logger,
	}))
	if err != nil {
		return err
	}
	defer nc.Close()
	im := importer.New(importer.Config{
		Name:       cfg.Name,
		Source:     cfg.Source,
		Channel:    cfg.Channel,
		Instance:   NewInstance(),
		Version:    Version,
		DataDir:    cfg.DataDir,
		InboxBytes: int64(cfg.Inbox.MaxBytes),
		Accept:     importer.Accept(cfg.Accept),
	}, nc, func(ctx context.Context) (importer.Cluster, error) { return openTarget(ctx, cfg, logger) }, logger)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := im.Run(ctx); err != nil {
			return err
		}
		return errDone
	})
	group.Go(func() error { return control.Serve(ctx, cfg.DataDir, im, logger) })
	if cfg.Metrics.Listen != "" {
		group.Go(func() error { return instrument.Serve(ctx, cfg.Metrics.Listen, instrument.Importer(im.Status)) })
	}
	return finish(group.Wait())
}
