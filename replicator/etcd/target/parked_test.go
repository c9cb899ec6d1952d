package target

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/fault"
)

// group is a parked group of n keys; groups of later numbers are younger.
func group(id string, number, n int) Parked {
	g := Parked{
		ID: id, Why: "mass-delete", Rule: "flags", Reason: "42 % of rule flags", Revision: int64(number),
		Of: 20_000, Since: time.Date(2026, 1, 2, 3, 4, number, 5, time.UTC), Dropped: number%2 == 0,
	}
	for i, k := range names(fmt.Sprintf("/%s/\x00\xff", id), n) {
		p := ParkedKey{Key: []byte(k), Put: i%3 == 0, Present: i%2 == 0, Size: uint64(i)}
		if p.Put {
			p.Sum = digest.Item(p.Key, nil)
		}
		g.Keys = append(g.Keys, p)
	}
	return g
}

func (b *bench) park(groups ...Parked) {
	b.t.Helper()
	if err := b.Park(b.t.Context(), groups); err != nil {
		b.t.Fatal(err)
	}
}

// wantParked checks that exactly these groups are there.
func (b *bench) wantParked(want ...Parked) {
	b.t.Helper()
	got, err := b.Parked(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			b.t.Errorf("group %d is %q of %d keys, want %q of %d, or they differ within", i, got[i].ID, len(got[i].Keys), want[i].ID, len(want[i].Keys))
		}
	}
	if len(got) != len(want) {
		b.t.Errorf("%d groups, want %d", len(got), len(want))
	}
}

// stored is every key of syncer's own that is about parking, with its size.
func (b *bench) stored() map[string]int {
	b.t.Helper()
	resp, err := b.cli.Get(b.t.Context(), Prefix+"parked/", clientv3.WithPrefix())
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]int{}
	for _, kv := range resp.Kvs {
		out[string(kv.Key)] = len(kv.Value)
	}
	return out
}

func TestPark(t *testing.T) {
	b := newBench(t, WithRanges([]change.Range{change.PrefixRange([]byte("/app/"))}))
	fill(t, b.cli, "/syncer/parked/cloud/shop2/x", "/syncer/parked/cloud/sho/x", "/syncer/parked/clouds/shop/x")
	b.wantParked()
	large, none, one := group("large", 3, 20_000), group("none", 1, 0), group("one.B_2-", 2, 1)
	b.park(large, none, one)
	b.wantParked(none, one, large)
	for k, size := range b.stored() {
		if size > mostParkedPage {
			t.Errorf("%s holds %d bytes", k, size)
		}
	}
	pages := len(b.stored()) - 3
	b.park(large, one)
	b.wantParked(none, one, large)
	if n := len(b.stored()) - 3; n != pages {
		t.Errorf("the same groups on %d pages, before on %d", n, pages)
	}

	large.Keys, large.Dropped = large.Keys[:5], true
	b.park(large)
	b.wantParked(none, one, large)
	if err := b.Unpark(t.Context(), []string{"one.B_2-", "unknown", "one.B_2-", "large"}); err != nil {
		t.Fatal(err)
	}
	b.wantParked(none)
	if n := len(b.stored()); n != 1+3 {
		t.Errorf("%d keys are stored: %v", n, b.stored())
	}
	b.commit(5) // the guard is the same
}

func TestParkNeedsAGoodID(t *testing.T) {
	b := newBench(t)
	for _, id := range []string{"", "a/b", "a b", strings.Repeat("x", 129), "\xff"} {
		if err := b.Park(t.Context(), []Parked{group(id, 1, 1)}); err == nil {
			t.Errorf("ID %q was accepted", id)
		}
	}
	if err := b.Park(t.Context(), []Parked{group("a", 1, 1), group("a", 2, 2)}); err == nil {
		t.Error("an ID was accepted twice")
	}
	if n := len(b.stored()); n != 0 {
		t.Errorf("%d keys were written", n)
	}
}

func TestLongReasonIsCut(t *testing.T) {
	b := newBench(t)
	g := group("a", 1, 1)
	g.Reason = "x" + strings.Repeat("é", 100_000)
	b.park(g)
	g.Reason = "x" + strings.Repeat("é", mostReason/2-1)
	b.wantParked(g)
}

func TestParkIsFenced(t *testing.T) {
	endpoint := startEtcd(t)
	first := benchOn(t, endpoint, "first")
	first.park(group("a", 1, 3))
	second := benchOn(t, endpoint, "second")
	var fenced *Fenced
	if err := first.Park(t.Context(), []Parked{group("b", 2, 3)}); !errors.As(err, &fenced) {
		t.Errorf("park gave %v, want Fenced", err)
	}
	if err := first.Unpark(t.Context(), []string{"a"}); !errors.As(err, &fenced) {
		t.Errorf("unpark gave %v, want Fenced", err)
	}
	second.wantParked(group("a", 1, 3))
}

// breaking is a client whose transactions fail for good once left is used up.
func breaking(t *testing.T, endpoint string, left *atomic.Int64) *clientv3.Client {
	t.Helper()
	cli, err := clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint},
		Logger:    zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any,
			cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption,
		) error {
			if strings.HasSuffix(method, "Txn") && left.Add(-1) < 0 {
				return status.Error(codes.FailedPrecondition, "broken by the test")
			}
			return next(ctx, method, req, reply, cc, opts...)
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cli.Close() })
	return cli
}

// Wherever a writing of a large group breaks off, the group before it counts,
// or the new one does; and the next writing leaves nothing of it behind.
func TestParkBreaksOff(t *testing.T) {
	var left atomic.Int64
	left.Store(1 << 30)
	endpoint := startEtcd(t)
	cli := breaking(t, endpoint, &left)
	b := &bench{Target: open(t, cli, WithBatchBytes(4<<10)), t: t, cli: cli, url: endpoint}
	b.claim("importer")
	old, other, next := group("a", 1, 5_000), group("b", 2, 2), group("a", 1, 7_000)
	b.park(old, other)
	for n := int64(0); ; n++ {
		left.Store(n)
		err := b.Park(t.Context(), []Parked{next})
		left.Store(1 << 30)
		if err == nil {
			if n < 3 {
				t.Errorf("the group took %d transactions: the test needs several", n)
			}
			break
		}
		b.wantParked(old, other)
	}
	b.wantParked(next, other)
	pages := len(b.stored())
	b.park(next)
	if n := len(b.stored()); n != pages {
		t.Errorf("%d pages, want %d: something was left behind", n, pages)
	}

	left.Store(1)
	if err := b.Park(t.Context(), []Parked{old, group("c", 3, 7_000)}); err == nil {
		t.Fatal("one transaction is enough: the test needs several")
	}
	left.Store(1 << 30)
	b.wantParked(next, other)
	if err := b.Unpark(t.Context(), []string{"a", "b", "c"}); err != nil {
		t.Fatal(err)
	}
	if n := len(b.stored()); n != 0 {
		t.Errorf("%d pages were left behind", n)
	}
}

func TestDamagedGroupStops(t *testing.T) {
	b := newBench(t)
	for name, damage := range map[string]func(pages []string){
		"a page is missing":        func(pages []string) { b.remove(pages[1]) },
		"the last page is missing": func(pages []string) { b.remove(pages[len(pages)-1]) },
		"a page is empty":          func(pages []string) { b.put(pages[1], "") },
		"a page is text":           func(pages []string) { b.put(pages[0], "{}") },
		"a page is another":        func(pages []string) { b.put(pages[1], b.get(pages[0])) },
		"page 0 is another":        func(pages []string) { b.put(pages[0], b.get(pages[1])) },
		"pages are swapped": func(pages []string) {
			last := len(pages) - 1
			b.put(pages[last-1], b.get(pages[last]))
		},
		"a later format":   func(pages []string) { b.put(pages[0], compressed(t, `{"format":2}`)) },
		"a short sum":      func(pages []string) { b.put(pages[1], compressed(t, `{"format":1,"keys":[{"key":"","sum":"00"}]}`)) },
		"negative numbers": func(pages []string) { b.put(pages[0], compressed(t, `{"format":1,"group":{"pages":-1}}`)) },
		"twice": func(pages []string) {
			for _, p := range pages {
				b.put(strings.Replace(p, "/a/", "/a/B", 1), b.get(p))
			}
		},
		"a foreign key": func(pages []string) { b.put(b.parkedPrefix()+"a", "") },
	} {
		t.Run(name, func(t *testing.T) {
			b.park(group("a", 1, 6_000), group("b", 2, 1))
			pages := slices.DeleteFunc(sortedKeys(b.stored()), func(k string) bool { return !strings.Contains(k, "/a/") })
			damage(pages)
			_, err := b.Parked(t.Context())
			if fault.ExitCode(err) != int(fault.Safety) || fault.Try(err) == "" || !strings.Contains(err.Error(), b.parkedPrefix()+"a") {
				t.Errorf("got %v, want a safety stop that names the group", err)
			}
			if !strings.Contains(fault.Try(err), "etcdctl") && name != "a later format" {
				t.Errorf("try %q", fault.Try(err))
			}
			b.remove(b.parkedPrefix() + "a")
			for k := range b.stored() {
				if strings.Contains(k, "/a/") {
					b.remove(k)
				}
			}
			b.wantParked(group("b", 2, 1))
		})
	}
}

func (b *bench) put(key, value string) {
	b.t.Helper()
	if _, err := b.cli.Put(b.t.Context(), key, value); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) get(key string) string {
	b.t.Helper()
	resp, err := b.cli.Get(b.t.Context(), key)
	if err != nil || len(resp.Kvs) != 1 {
		b.t.Fatalf("get %s: %v", key, err)
	}
	return string(resp.Kvs[0].Value)
}

func (b *bench) remove(key string) {
	b.t.Helper()
	if _, err := b.cli.Delete(b.t.Context(), key); err != nil {
		b.t.Fatal(err)
	}
}

func sortedKeys(m map[string]int) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
