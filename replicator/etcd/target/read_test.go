package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/change"
)

// older is a client whose server does not know the streaming read, from the
// second piece of a stream on or at once.
func older(t *testing.T, endpoint string, after int) *clientv3.Client {
	t.Helper()
	cli, err := clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint},
		Logger:    zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc,
			cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption,
		) (grpc.ClientStream, error) {
			s, err := next(ctx, desc, cc, method, opts...)
			if strings.HasSuffix(method, "RangeStream") {
				return &cutStream{s, after}, err
			}
			return s, err
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cli.Close() })
	return cli
}

type cutStream struct {
	grpc.ClientStream
	left int
}

func (s *cutStream) RecvMsg(m any) error {
	if s.left--; s.left < 0 {
		return status.Error(codes.Unimplemented, "unknown method RangeStream")
	}
	return s.ClientStream.RecvMsg(m)
}

func TestScan(t *testing.T) {
	endpoint := startEtcd(t)
	keys := append(names("/a/", 3000), names("/b/", 3000)...)
	keys = append(keys, names("/c/", 3000)...)
	cli := connect(t, endpoint)
	fill(t, cli, keys...)
	fill(t, cli, "\x00\x01", "\xff\xff")
	ranges := []change.Range{change.PrefixRange([]byte("/a/")), {Lo: []byte("x"), Hi: []byte("x")}, change.PrefixRange([]byte("/c/"))}
	for name, cli := range map[string]*clientv3.Client{
		"stream":                   cli,
		"pages":                    older(t, endpoint, 0),
		"stream ends in mid-range": older(t, endpoint, 2),
	} {
		t.Run(name, func(t *testing.T) {
			tg := open(t, cli)
			pieces := 0
			var got []string
			rev, err := tg.Scan(t.Context(), ranges, func(kvs []change.KV) error {
				if pieces++; pieces == 2 { // a write in mid-scan is not seen
					fill(t, cli, "/c/new", "/c/00001")
				}
				for _, kv := range kvs {
					if string(kv.Value) != "old" {
						t.Errorf("%s has value %q", kv.Key, kv.Value)
					}
					got = append(got, string(kv.Key))
				}
				return nil
			})
			if err != nil || rev == 0 {
				t.Fatal(rev, err)
			}
			want := append(slices.Clone(keys[:3000]), keys[6000:]...)
			if !slices.Equal(got, want) {
				t.Errorf("%d keys in %d pieces, want %d in order", len(got), pieces, len(want))
			}
			n := 0
			count := func(kvs []change.KV) error { n += len(kvs); return nil }
			if _, err := tg.Scan(t.Context(), []change.Range{{}}, count); err != nil || n != len(keys)+3 {
				t.Errorf("%d keys in all, %v; want %d", n, err, len(keys)+3)
			}
			stop := errors.New("stop")
			if _, err := tg.Scan(t.Context(), ranges, func([]change.KV) error { return stop }); !errors.Is(err, stop) {
				t.Errorf("got %v, want the error of the reader", err)
			}
			if _, err := cli.Delete(t.Context(), "/c/new"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Pages are bounded in bytes although etcd bounds them only in keys.
func TestScanPagesOfLargeValues(t *testing.T) {
	endpoint := startEtcd(t)
	b := benchOn(t, endpoint, "importer")
	for i := range 20 {
		b.commit(int64(i), put(fmt.Sprintf("/a/small%02d", i), "v"), put(fmt.Sprintf("/b/%02d", i), strings.Repeat("v", 500_000)))
	}
	tg := open(t, older(t, endpoint, 0))
	largest, n := 0, 0
	_, err := tg.Scan(t.Context(), []change.Range{change.PrefixRange([]byte("/b/"))}, func(kvs []change.KV) error {
		size := 0
		for _, kv := range kvs {
			size += len(kv.Value)
		}
		largest, n = max(largest, size), n+len(kvs)
		return nil
	})
	if err != nil || n != 20 {
		t.Fatalf("%d keys, %v", n, err)
	}
	if largest > firstPage*500_000 {
		t.Errorf("a page of %d bytes", largest)
	}
}

// After Replace the selected part of the range is what was wanted, and nothing
// else has changed.
func TestReplace(t *testing.T) {
	ranges := []change.Range{
		{Lo: []byte("/a/"), Hi: []byte("/a/local/")},
		{Lo: []byte("/a/local0"), Hi: []byte("/a0")},
	}
	b := newBench(t, WithRanges(ranges), WithBatchBytes(2000))
	fill(t, b.cli, "/a/00", "/a/01", "/a/02", "/a/local/1", "/a/zz", "/0", "/b", "/a/tmp/x")
	before := b.revision()
	chunk := Chunk{
		Range: change.Range{Lo: []byte("/"), Hi: []byte("/c")},
		Want:  []change.KV{{Key: []byte("/a/00"), Value: []byte("old")}, {Key: []byte("/a/01"), Value: []byte("new")}, {Key: []byte("/a/015"), Value: []byte("new")}},
		Keep:  func(local change.KV) bool { return strings.HasPrefix(string(local.Key), "/a/tmp/") },
	}
	plan, err := b.Diff(t.Context(), chunk)
	if err != nil || b.revision() != before {
		t.Fatalf("%v; the plan moved the revision from %d to %d", err, before, b.revision())
	}
	got, err := b.Replace(t.Context(), chunk)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Replaced{plan, got} {
		text := fmt.Sprintf("put %s deleted %s was %s unchanged %d", r.Put, r.Deleted, r.Was, r.Unchanged)
		if want := "put [{/a/01 new} {/a/015 new}] deleted [/a/02 /a/zz] was [{/a/01 old} {/a/02 old} {/a/zz old}] unchanged 2"; text != want {
			t.Errorf("got  %s\nwant %s", text, want)
		}
	}
	left := b.content()
	for _, k := range []string{"/0", "/b", "/a/local/1", "/a/tmp/x", "/a/00"} {
		if left[k] == nil || left[k].modRev > before {
			t.Errorf("%s was touched", k)
		}
	}
	if len(left) != 7 {
		t.Errorf("%d keys are left: %v", len(left), left)
	}
	again, err := b.Replace(t.Context(), chunk)
	if err != nil || again.Unchanged != 4 || len(again.Put)+len(again.Deleted) != 0 {
		t.Errorf("a second time: %+v, %v", again, err)
	}
	b.commit(1) // the guard is in step
}

func TestReplaceInBatches(t *testing.T) {
	b := newBench(t, WithBatchBytes(4<<10))
	old, want := names("/a/old", 1000), names("/a/new", 1000)
	fill(t, b.cli, old...)
	var kvs []change.KV
	for _, k := range want {
		kvs = append(kvs, change.KV{Key: []byte(k), Value: []byte(strings.Repeat("v", 100))})
	}
	got, err := b.Replace(t.Context(), Chunk{Range: change.PrefixRange([]byte("/a/")), Want: kvs})
	if err != nil || len(got.Put) != 1000 || len(got.Deleted) != 1000 || len(got.Was) != 1000 {
		t.Errorf("%d put, %d deleted, %d before, %v", len(got.Put), len(got.Deleted), len(got.Was), err)
	}
	left := b.content()
	for _, k := range want {
		if left[k] == nil {
			t.Fatalf("%s is missing", k)
		}
	}
	if len(left) != 1000 {
		t.Errorf("%d keys are left", len(left))
	}
}

func TestReplaceIsFenced(t *testing.T) {
	endpoint := startEtcd(t)
	b := benchOn(t, endpoint, "first")
	fill(t, b.cli, "/a/1")
	benchOn(t, endpoint, "second")
	got, err := b.Replace(t.Context(), Chunk{Range: change.PrefixRange([]byte("/a/"))})
	var fenced *Fenced
	if !errors.As(err, &fenced) || len(got.Deleted) != 0 {
		t.Errorf("got %+v, %v; want Fenced", got, err)
	}
	if b.content()["/a/1"] == nil {
		t.Error("a fenced writer deleted a key")
	}
}

func TestMalformedChunks(t *testing.T) {
	b := newBench(t)
	r := change.PrefixRange([]byte("/a/"))
	for _, keys := range [][]string{{"/b"}, {"/a/2", "/a/1"}, {"/a/1", "/a/1"}} {
		c := Chunk{Range: r}
		for _, k := range keys {
			c.Want = append(c.Want, change.KV{Key: []byte(k)})
		}
		if _, err := b.Replace(t.Context(), c); err == nil {
			t.Errorf("%v was accepted", keys)
		}
	}
}

// Whatever stands there and whatever is wanted: the result is exact.
func TestReplaceIsExact(t *testing.T) {
	b := newBench(t, WithBatchBytes(200))
	content := func(t *rapid.T, label string) map[string]string {
		return rapid.MapOf(rapid.StringMatching(`/a/[a-d]{1,3}`), rapid.SampledFrom([]string{"1", "2", ""})).Draw(t, label)
	}
	rapid.Check(t, func(rt *rapid.T) {
		if _, err := b.cli.Delete(t.Context(), "/a/", clientv3.WithPrefix()); err != nil {
			rt.Fatal(err)
		}
		local, want := content(rt, "local"), content(rt, "want")
		var changes []change.Change
		for k, v := range local {
			changes = append(changes, put(k, v))
		}
		b.commit(1, changes...)
		chunk := Chunk{Range: change.PrefixRange([]byte("/a/"))}
		for k, v := range want {
			chunk.Want = append(chunk.Want, change.KV{Key: []byte(k), Value: []byte(v)})
		}
		slices.SortFunc(chunk.Want, func(a, b change.KV) int { return strings.Compare(string(a.Key), string(b.Key)) })
		if _, err := b.Replace(t.Context(), chunk); err != nil {
			rt.Fatal(err)
		}
		got := b.content()
		for k, v := range want {
			if got[k] == nil || got[k].value != v {
				rt.Fatalf("%s is %v, want %q", k, got[k], v)
			}
		}
		if len(got) != len(want) {
			rt.Fatalf("%d keys, want %d", len(got), len(want))
		}
	})
}
