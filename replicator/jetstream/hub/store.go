package hub

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// storeCheck is how often a hub whose store failed looks whether it can go on.
const storeCheck = time.Second

// keepStore brings the store back after a failed write, such as on a full disk.
// The server never does: a stream that once failed to write stays silent, and
// publishers only see their time run out. While there is no space the store is
// off, and they are told at once that no stream takes their message.
//
// It sends on reopened when the store is back: consumers in memory are gone
// then, and the hub's own is renewed at once rather than when it is missed.
func (h *Hub) keepStore(ctx context.Context, reopened chan<- struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-h.log.failed:
		}
		if err := h.server.ShutdownJetStream(); err != nil {
			h.opts.Logger.Error("hub store failed and does not stop", "error", err)
		}
		if err := h.reopenStore(ctx); err != nil {
			return err
		}
		select {
		case reopened <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// reopenStore returns when the store works again, or ctx ends.
func (h *Hub) reopenStore(ctx context.Context) error {
	told := false // once for each outage
	for {
		err := h.tryStore()
		if err == nil {
			h.opts.Logger.Info("hub store works again", "dir", h.opts.DataDir)
			return nil
		}
		if !told {
			told = true
			h.opts.Logger.Error("hub store is off; it goes on by itself when the cause is gone", "dir", h.opts.DataDir, "error", err)
		}
		if err := pause(ctx, storeCheck); err != nil {
			return err
		}
	}
}

func (h *Hub) tryStore() error {
	if err := h.dir.check(h.opts.free); err != nil {
		return err
	}
	if h.server.JetStreamEnabled() {
		return nil
	}
	select {
	case <-h.log.failed: // of the store that is closed now
	default:
	}
	if err := h.server.EnableJetStream(h.storeConfig()); err != nil {
		return fmt.Errorf("open the store again: %w", err)
	}
	return nil
}

func (h *Hub) storeConfig() *server.JetStreamConfig {
	return &server.JetStreamConfig{
		StoreDir: h.opts.DataDir, SyncAlways: true, Strict: true, CompressOK: true,
		MaxMemory: h.opts.MaxMemory, MaxStore: h.opts.MaxBytes,
	}
}
