package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/nats-io/nats.go/jetstream"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	syncstream "github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
)

// scene is an outage that can be ended as often as one likes: source, hub and
// exporter go on, and the edge is put back to how it was when it was lost. Both
// tools begin from the same target.
type scene struct {
	bed    *bed
	syncer *installation
	lost   int64                           // the newest revision that the edge has
	made   func(writer, number int) string // what is put
}

func (s *scene) path(name string) string { return filepath.Join(s.bed.dir, name) }

// openScene brings an edge in sync with a source of n keys, and loses it.
func (l *lab) openScene(ctx context.Context, n int) (*scene, error) {
	b, err := l.newBed(ctx)
	if err != nil {
		return nil, err
	}
	s := &scene{made: unlike, bed: b, syncer: &installation{lab: l, bed: b, running: children{}, linked: true}}
	if err := s.lose(ctx, n); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *scene) lose(ctx context.Context, n int) error {
	source, _ := s.bed.clients()
	if err := newValues().fill(ctx, source, n); err != nil {
		return err
	}
	if err := following(ctx, s.bed, s.syncer, n); err != nil {
		return err
	}
	if err := s.syncer.running.end("importer"); err != nil {
		return err
	}
	var err error
	if s.lost, err = s.now(ctx); err != nil {
		return err
	}
	if err := s.bed.target.Copy(ctx, s.path("target-then")); err != nil {
		return err
	}
	return copyEdge(s.syncer.path("edge"), s.path("edge-then"))
}

// copyEdge copies the data directory of an importer that is stopped.
func copyEdge(from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return fmt.Errorf("copy the edge: %w", err)
	}
	// A copy may be read by all, and syncer takes no such key.
	return os.Chmod(filepath.Join(to, "edge.nk"), 0o600)
}

// now is the newest revision of the source.
func (s *scene) now(ctx context.Context) (int64, error) {
	source, _ := s.bed.clients()
	resp, err := source.Get(ctx, prefix, clientv3.WithCountOnly())
	if err != nil {
		return 0, fmt.Errorf("read the revision of the source: %w", err)
	}
	return resp.Header.Revision, nil
}

// rewind puts the edge back to how it was when it was lost.
func (s *scene) rewind(ctx context.Context) error {
	edge := s.syncer.path("edge")
	if err := os.RemoveAll(edge); err != nil {
		return fmt.Errorf("put the edge back: %w", err)
	}
	if err := copyEdge(s.path("edge-then"), edge); err != nil {
		return err
	}
	return s.bed.target.Restore(ctx, s.path("target-then"))
}

// put writes the keys from one to another in turn, a revision each, and waits
// until the exporter has published them.
func (s *scene) put(ctx context.Context, revisions, from, to int) error {
	return s.write(ctx, revisions, func(cli *clientv3.Client, i int) error {
		_, err := cli.Put(ctx, keyOf(from+i%(to-from)), s.made(lagWriter, i))
		return err
	})
}

// remove deletes the keys from one to another, a revision each.
func (s *scene) remove(ctx context.Context, from, to int) error {
	return s.write(ctx, to-from, func(cli *clientv3.Client, i int) error {
		_, err := cli.Delete(ctx, keyOf(from+i))
		return err
	})
}

func (s *scene) write(ctx context.Context, n int, one func(cli *clientv3.Client, i int) error) error {
	source, _ := s.bed.clients()
	var next atomic.Int64
	var group errgroup.Group
	for range flatWriters {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := one(source, i); err != nil {
					return fmt.Errorf("write the source: %w", err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	newest, err := s.now(ctx)
	if err != nil {
		return err
	}
	return s.syncer.awaitChannel(ctx, func(c status.Channel) bool { return c.Revision >= newest })
}

// forget removes the history from the stream and from the source.
func (s *scene) forget(ctx context.Context) error {
	nc, err := s.syncer.admin(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	stream, err := js.Stream(ctx, syncstream.Stream(sourceName))
	if err != nil {
		return fmt.Errorf("open the stream: %w", err)
	}
	if err := stream.Purge(ctx); err != nil {
		return fmt.Errorf("purge the stream: %w", err)
	}
	newest, err := s.now(ctx)
	if err != nil {
		return err
	}
	source, _ := s.bed.clients()
	if _, err := source.Compact(ctx, newest, clientv3.WithCompactPhysical()); err != nil {
		return fmt.Errorf("compact the source: %w", err)
	}
	return nil
}

func (s *scene) close() error { return errors.Join(s.syncer.stop(), s.bed.close()) }
