package hub

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/pairing"
)

// Hub is a running hub. Methods may run at once.
type Hub struct {
	opts     Options
	dir      *directory
	server   *server.Server
	log      *serverLog
	nc       *nats.Conn // in process, as admin
	registry *pairing.Registry
	stop     context.CancelFunc // of the services
	services *errgroup.Group

	once    sync.Once
	stopped error // what Stop found, the first time
}

// Start starts a hub. On return it listens, holds its directory alone, knows
// who may connect, and answers join requests; everything it acknowledges from
// now on is synced to disk. ctx bounds the start only. The caller ends it with
// Stop.
func Start(ctx context.Context, o Options) (*Hub, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := o.checkPort(); err != nil {
		return nil, err
	}
	dir, err := openDirectory(o.DataDir, o.free)
	if err != nil {
		return nil, err
	}
	h := &Hub{opts: o, dir: dir, stop: func() {}, services: &errgroup.Group{}}
	if err := h.start(ctx); err != nil {
		return nil, errors.Join(err, h.Stop())
	}
	return h, nil
}

func (h *Hub) start(ctx context.Context) error {
	admin, err := pairing.EnsureKey(h.AdminSeedFile())
	if err != nil {
		return err
	}
	defer admin.Wipe()
	key, err := admin.PublicKey()
	if err != nil {
		return fmt.Errorf("read the admin key: %w", err)
	}
	gate := newGate(key, h.opts.Logger)
	if err := h.startServer(gate); err != nil {
		return err
	}
	gate.server = h.server
	if gate.tenancy, err = newTenancy(h.server); err != nil {
		return err
	}
	seed, err := admin.Seed()
	if err != nil {
		return fmt.Errorf("read the admin key: %w", err)
	}
	defer clear(seed)
	if err := h.startServices(ctx, gate, seed); err != nil {
		return err
	}
	return h.listen()
}

// startServices connects in process, and returns when the gate knows every
// pair and the services are subscribed. The hub listens only afterwards: a
// paired edge is never refused because its hub has just begun.
func (h *Hub) startServices(ctx context.Context, gate *gate, seed []byte) error {
	var err error
	h.nc, err = conn.Connect(ctx, conn.Options{
		InProcess: h.server, Seed: seed, Name: "hub", InboxPrefix: "_INBOX_hub",
		JitterMax: 10 * time.Millisecond, Logger: h.opts.Logger,
	})
	if err != nil {
		return err
	}
	if h.registry, err = pairing.OpenRegistry(ctx, h.nc, h.opts.Now); err != nil {
		return err
	}
	joins, err := pairing.NewService(h.nc, h.registry, gate, h.opts.Logger)
	if err != nil {
		return err
	}
	confirm, err := newConfirmer(h.nc, gate)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(context.Background())
	h.stop = stop
	f := newFollower(h.registry, gate, h.opts.Logger)
	h.services.Go(func() error { return f.run(running) })
	h.services.Go(func() error { return joins.Run(running) })
	h.services.Go(func() error { return confirm.run(running) })
	h.services.Go(func() error { return h.keepStore(running, f.again) })
	select {
	case <-f.loaded:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the hub could not read its registry of pairs in time: %w", ctx.Err())
	}
}

// URL is where clients on this host connect.
func (h *Hub) URL() string { return h.server.ClientURL() }

// AdminSeedFile is the file with the seed of the admin key.
func (h *Hub) AdminSeedFile() string { return filepath.Join(h.opts.DataDir, "admin.nk") }

// InProcess connects without the network; credentials are needed all the same.
func (h *Hub) InProcess() nats.InProcessConnProvider { return h.server }

// Pairs is the registry of pairs, as the hub's own admin. It ends with the hub.
func (h *Hub) Pairs() *pairing.Registry { return h.registry }

// Stop ends the hub and returns when nothing of it runs and the directory is
// free. It may be called again.
func (h *Hub) Stop() error {
	h.once.Do(func() { h.stopped = h.end() })
	return h.stopped
}

func (h *Hub) end() error {
	h.stop()
	err := h.services.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if h.nc != nil {
		h.nc.Close()
	}
	if h.server != nil {
		h.server.Shutdown()
		h.server.WaitForShutdown()
	}
	return errors.Join(err, h.dir.close())
}
