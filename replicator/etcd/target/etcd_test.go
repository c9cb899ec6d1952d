package target

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/testbed"
)

var key = CursorKey{Source: "cloud", Channel: "shop"}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// listenURL is a loopback address that was free a moment ago.
func listenURL(t testing.TB) url.URL {
	t.Helper()
	address, err := testbed.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return url.URL{Scheme: "http", Host: address}
}

// startEtcd runs a single etcd until the test ends and returns its endpoint.
func startEtcd(t testing.TB, change ...func(*embed.Config)) string {
	t.Helper()
	cfg := embed.NewConfig()
	cfg.Dir = t.TempDir()
	cfg.LogLevel = "panic"
	cfg.UnsafeNoFsync = true
	cfg.TickMs, cfg.ElectionMs = 20, 200 // a lone member elects itself at once
	cfg.BcryptCost = 4                   // passwords of tests need no work
	client, peer := listenURL(t), listenURL(t)
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	for _, c := range change {
		c(cfg)
	}
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	select {
	case <-e.Server.ReadyNotify():
	case <-time.After(30 * time.Second):
		t.Fatal("etcd does not start")
	}
	return client.String()
}

func connect(t testing.TB, endpoint string) *clientv3.Client {
	t.Helper()
	cli, err := dial.Dial(t.Context(), dial.Config{Endpoints: []string{endpoint}}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cli.Close() })
	return cli
}

// bench is a target on an etcd of its own, with the cursor claimed.
type bench struct {
	*Target
	t   testing.TB
	cli *clientv3.Client
	url string
}

func newBench(t testing.TB, opts ...Option) *bench {
	t.Helper()
	return benchOn(t, startEtcd(t), "importer", opts...)
}

func benchOn(t testing.TB, endpoint, owner string, opts ...Option) *bench {
	t.Helper()
	cli := connect(t, endpoint)
	b := &bench{Target: open(t, cli, opts...), t: t, cli: cli, url: endpoint}
	b.claim(owner)
	return b
}

func open(t testing.TB, cli *clientv3.Client, opts ...Option) *Target {
	t.Helper()
	tg, err := Open(t.Context(), cli, key, quiet(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return tg
}

func (b *bench) claim(owner string) {
	b.t.Helper()
	_, _, err := b.Claim(b.t.Context(), owner, func(c Cursor, _ bool) (Cursor, error) { return c, nil })
	if err != nil {
		b.t.Fatal(err)
	}
}

// commit commits the changes with a cursor at the revision.
func (b *bench) commit(revision int64, changes ...change.Change) int64 {
	b.t.Helper()
	rev, err := b.Commit(b.t.Context(), Tx{Changes: changes, Cursor: &Cursor{Revision: revision}})
	if err != nil {
		b.t.Fatal(err)
	}
	return rev
}

func (b *bench) revision() int64 {
	b.t.Helper()
	resp, err := b.cli.Get(b.t.Context(), "none")
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.Header.Revision
}

// content is every key outside syncer's own prefix.
func (b *bench) content() map[string]*pbKV {
	b.t.Helper()
	resp, err := b.cli.Get(b.t.Context(), "\x00", clientv3.WithFromKey())
	if err != nil {
		b.t.Fatal(err)
	}
	out := make(map[string]*pbKV)
	for _, kv := range resp.Kvs {
		if k := string(kv.Key); len(k) < len(Prefix) || k[:len(Prefix)] != Prefix {
			out[k] = &pbKV{string(kv.Value), kv.ModRevision}
		}
	}
	return out
}

type pbKV struct {
	value  string
	modRev int64
}

// fill writes keys without the target, many at a time.
func fill(t testing.TB, cli *clientv3.Client, keys ...string) {
	t.Helper()
	kv := clientv3.RetryKVClient(cli)
	for len(keys) > 0 {
		n := min(128, len(keys))
		req := &pb.TxnRequest{}
		for _, k := range keys[:n] {
			req.Success = append(req.Success, putOp([]byte(k), []byte("old")))
		}
		if _, err := kv.Txn(context.Background(), req); err != nil {
			t.Fatal(err)
		}
		keys = keys[n:]
	}
}

func put(key, value string) change.Change {
	return change.Change{Op: change.Put, Key: []byte(key), Value: []byte(value)}
}

func del(key string) change.Change { return change.Change{Op: change.Delete, Key: []byte(key)} }

// names are n keys of the form prefix00001.
func names(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%05d", prefix, i)
	}
	return out
}

func puts(keys []string) []change.Change {
	out := make([]change.Change, len(keys))
	for i, k := range keys {
		out[i] = put(k, "new")
	}
	return out
}

func deletes(keys []string) []change.Change {
	out := make([]change.Change, len(keys))
	for i, k := range keys {
		out[i] = del(k)
	}
	return out
}
