package target

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/fault"
)

func TestProbe(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*embed.Config)
		want   Limits
	}{
		"defaults":   {func(*embed.Config) {}, Limits{128, 3 << 19}},
		"more ops":   {func(c *embed.Config) { c.MaxTxnOps = 1000 }, Limits{1000, 3 << 19}},
		"129 ops":    {func(c *embed.Config) { c.MaxTxnOps = 129 }, Limits{129, 3 << 19}},
		"very many":  {func(c *embed.Config) { c.MaxTxnOps = 1 << 20 }, Limits{4096, 3 << 19}},
		"fewer ops":  {func(c *embed.Config) { c.MaxTxnOps = 37 }, Limits{37, 3 << 19}},
		"4 MiB":      {func(c *embed.Config) { c.MaxRequestBytes = 4 << 20 }, Limits{128, 4 << 20}},
		"all":        {func(c *embed.Config) { c.MaxRequestBytes = 64 << 20 }, Limits{128, 10 << 20}},
		"512 KiB":    {func(c *embed.Config) { c.MaxRequestBytes = 512 << 10 }, Limits{128, 512 << 10}},
		"odd number": {func(c *embed.Config) { c.MaxRequestBytes = 2<<20 + 12345 }, Limits{128, 2 << 20}},
	} {
		t.Run(name, func(t *testing.T) {
			cli := connect(t, startEtcd(t, c.change))
			tg := open(t, cli)
			if tg.Limits() != c.want {
				t.Errorf("got %+v, want %+v", tg.Limits(), c.want)
			}
			resp, err := cli.Get(t.Context(), "\x00", clientv3.WithFromKey())
			if err != nil || resp.Header.Revision != 1 || len(resp.Kvs) != 0 {
				t.Errorf("the probe moved the revision to %d, %v", resp.Header.Revision, err)
			}
		})
	}
}

// A value that fits exactly is committed, and one byte more is refused by us
// before the server sees it.
func TestRaisedLimitsAreUsed(t *testing.T) {
	b := benchOn(t, startEtcd(t, func(c *embed.Config) { c.MaxRequestBytes = 4 << 20; c.MaxTxnOps = 1000 }), "importer")
	b.commit(1, put("/big", strings.Repeat("v", 4<<20-1000)))
	req, err := b.plan(t.Context(), puts(names("/k/", 999)), nil, []byte("cursor"))
	if err != nil || len(req.Success) != 1000 {
		t.Errorf("%d operations side by side, %v; want 1000", len(req.Success), err)
	}
	b.commit(2, puts(names("/k/", 999))...)
}

func TestFullLimitOfOperations(t *testing.T) {
	b := newBench(t)
	req, err := b.plan(t.Context(), puts(names("/k/", 127)), nil, nil)
	if err != nil || len(req.Success) != 128 {
		t.Errorf("127 changes and the mark: %d operations, %v; want no nesting", len(req.Success), err)
	}
	if _, err := b.Commit(t.Context(), Tx{Changes: puts(names("/k/", 128))}); err != nil {
		t.Fatal(err)
	}
}

func TestTooFewOperations(t *testing.T) {
	_, err := Open(t.Context(), connect(t, startEtcd(t, func(c *embed.Config) { c.MaxTxnOps = 4 })), key, quiet())
	if fault.ExitCode(err) != int(fault.Check) || !strings.Contains(fault.Try(err), "max-txn-ops") {
		t.Errorf("got %v", err)
	}
}

// pathWidth is what etcd counts: the widest path down the nesting.
func pathWidth(req *pb.TxnRequest) int {
	deepest := 0
	for _, op := range req.Success {
		if in := op.GetRequestTxn(); in != nil {
			deepest = max(deepest, pathWidth(in))
		}
	}
	return max(len(req.Compare), len(req.Success), len(req.Failure)) + deepest
}

func leaves(ops []*pb.RequestOp) []*pb.RequestOp {
	var out []*pb.RequestOp
	for _, op := range ops {
		if in := op.GetRequestTxn(); in != nil {
			out = append(out, leaves(in.Success)...)
		} else {
			out = append(out, op)
		}
	}
	return out
}

// Whatever the number of operations and the limit, no path is too wide and no
// operation gets lost or moves.
func TestNesting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(leastOps, 300).Draw(t, "limit")
		n := rapid.IntRange(0, 60_000).Draw(t, "n")
		if _, ok := widthFor(n, limit-1); !ok {
			return
		}
		ops := make([]*pb.RequestOp, n)
		for i := range ops {
			ops[i] = &pb.RequestOp{}
		}
		req := &pb.TxnRequest{Success: append([]*pb.RequestOp{{}}, nest(ops, limit-1)...)}
		if w := pathWidth(req); w > limit {
			t.Fatalf("a path of %d operations, limit %d", w, limit)
		}
		if !slices.Equal(leaves(req.Success[1:]), ops) {
			t.Fatal("operations got lost")
		}
	})
	if _, ok := widthFor(100_000, 127); !ok {
		t.Error("100,000 operations do not fit under the default limit")
	}
}

// The estimate is never below the truth.
func TestSize(t *testing.T) {
	for _, key := range []int{1, 127, 128, 40_000} {
		for _, value := range []int{0, 1, 127, 128, 20_000, 3 << 20} {
			c := put(strings.Repeat("k", key), strings.Repeat("v", value))
			req := &pb.TxnRequest{Success: []*pb.RequestOp{opOf(c)}}
			if got := proto.Size(req); got > Size(c) {
				t.Errorf("%d+%d bytes need %d, estimated %d", key, value, got, Size(c))
			}
		}
	}
}

func TestFold(t *testing.T) {
	sets := []change.Changeset{
		{Revision: 1, Changes: []change.Change{put("/b", "1"), put("/a", "1")}},
		{Revision: 2, Changes: []change.Change{del("/a"), put("/c", "2")}},
		{Revision: 3, Changes: []change.Change{put("/b", "3")}},
	}
	want := []change.Change{del("/a"), put("/b", "3"), put("/c", "2")}
	got := Fold(sets)
	same := func(a, b change.Change) bool {
		return a.Op == b.Op && string(a.Key) == string(b.Key) && string(a.Value) == string(b.Value)
	}
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(Fold(nil)) != 0 {
		t.Error("nothing folds to nothing")
	}
}

// kine answers general transactions with an error of its own. A stub gives
// that answer.
type kineKV struct{ pb.UnimplementedKVServer }

func (kineKV) Txn(context.Context, *pb.TxnRequest) (*pb.TxnResponse, error) {
	return nil, status.Error(codes.InvalidArgument, "etcdserver: unsupported operations in txn call")
}

func TestKineIsRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	pb.RegisterKVServer(srv, kineKV{})
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	_, err = Open(t.Context(), connect(t, "http://"+l.Addr().String()), key, quiet())
	if fault.ExitCode(err) != int(fault.Check) || !strings.Contains(err.Error(), "kine") || dial.Retryable(err) {
		t.Errorf("got %v", err)
	}
}

func TestNoSpaceAndRecovery(t *testing.T) {
	endpoint := startEtcd(t, func(c *embed.Config) { c.QuotaBackendBytes = 4 << 20 })
	b := benchOn(t, endpoint, "importer")
	b.commit(1, put("/a", "v"))
	var err error
	for i := 0; err == nil && i < 500; i++ { // etcd learns its size ten times a second
		_, err = b.Commit(t.Context(), Tx{Changes: []change.Change{put("/fill", strings.Repeat("v", 1<<20))}, Cursor: &Cursor{Revision: 2}})
	}
	if !errors.Is(err, rpctypes.ErrNoSpace) || !dial.Retryable(err) || !strings.Contains(fault.Try(err), "disarm") {
		t.Fatalf("got %v, want a full database with a remedy", err)
	}
	if _, err := Open(t.Context(), b.cli, key, quiet()); err != nil {
		t.Errorf("the probe writes nothing, and so works without space: %v", err)
	}
	if _, err := b.cli.Compact(t.Context(), b.revision(), clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.cli.Defragment(t.Context(), endpoint); err != nil {
		t.Fatal(err)
	}
	if _, err := b.cli.AlarmDisarm(t.Context(), &clientv3.AlarmMember{}); err != nil {
		t.Fatal(err)
	}
	b.commit(3, put("/a", "w"))
}

// The probe must not raise the alarm that it asks about.
func TestProbeNearQuotaRaisesNoAlarm(t *testing.T) {
	cli := connect(t, startEtcd(t, func(c *embed.Config) { c.QuotaBackendBytes = 1 << 20; c.MaxRequestBytes = 4 << 20 }))
	if got := open(t, cli).Limits().MaxBytes; got != 4<<20 {
		t.Errorf("limit %d", got)
	}
	alarms, err := cli.AlarmList(t.Context())
	if err != nil || len(alarms.Alarms) != 0 {
		t.Errorf("alarms %v, %v", alarms.Alarms, err)
	}
}

func TestPermissionDeniedNamesTheKey(t *testing.T) {
	endpoint := startEtcd(t)
	root := connect(t, endpoint)
	edge := login(t, root, endpoint, "/app/", Prefix)
	b := &bench{Target: open(t, edge), t: t, cli: edge, url: endpoint}
	b.claim("edge")
	b.commit(1, puts(names("/app/", 300))...)
	changes := append(puts(names("/app/", 300)), put("/other/key", "v"), put("/zzz", "v"))
	_, err := b.Commit(t.Context(), Tx{Changes: changes, Cursor: &Cursor{Revision: 2}})
	if fault.ExitCode(err) != int(fault.Refused) || !strings.Contains(err.Error(), `"/other/key"`) || dial.Retryable(err) {
		t.Errorf("got %v", err)
	}
	if _, err := b.Scan(t.Context(), []change.Range{{Lo: []byte("/other")}}, discard); fault.ExitCode(err) != int(fault.Refused) {
		t.Errorf("a scan without permission gave %v", err)
	}
	b.commit(2, put("/app/a", "v"))

	blind := login(t, nil, endpoint, "/app/")
	if _, err := Open(t.Context(), blind, key, quiet()); !strings.Contains(err.Error(), key.String()) {
		t.Errorf("without permission on the cursor: %v", err)
	}
}

func discard([]change.KV) error { return nil }
