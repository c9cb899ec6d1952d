package target

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

// wide is a value that the proxy recognises as a request.
var wide = strings.Repeat("w", 2*loseFrom)

// The request took effect and its answer was lost, or the request itself was:
// either way the transaction takes effect once.
func TestUnknownOutcome(t *testing.T) {
	endpoint := startEtcd(t)
	p := newProxy(t, endpoint)
	b := benchOn(t, p.url(), "importer")
	direct := connect(t, endpoint)
	for name, d := range map[string]direction{"request lost": requests, "answer lost": answers} {
		t.Run(name, func(t *testing.T) {
			before := b.revision()
			struck := p.lose(d)
			rev := b.commit(5, put("/"+name, wide))
			<-struck
			if rev != before+1 || b.revision() != rev {
				t.Errorf("revision %d, and now %d, after %d: want one step", rev, b.revision(), before)
			}
			got, err := direct.Get(t.Context(), "/"+name)
			if err != nil || len(got.Kvs) != 1 || got.Kvs[0].Version != 1 || got.Kvs[0].ModRevision != rev {
				t.Errorf("%v, %v", got, err)
			}
			b.commit(6, put("/next", name)) // the guard is in step
		})
		t.Run(name+", data only", func(t *testing.T) {
			struck := p.lose(d)
			if _, err := b.Commit(t.Context(), Tx{Changes: []change.Change{put("/data/"+name, wide)}}); err != nil {
				t.Fatal(err)
			}
			<-struck
			if got := b.content()["/data/"+name]; got == nil || got.value != wide {
				t.Error("the data did not arrive")
			}
			b.commit(7)
		})
	}
}

// The write that crosses the quota is applied, and answered with an error. The
// interceptor gives that answer at a chosen time.
func TestAppliedAlthoughNoSpace(t *testing.T) {
	endpoint := startEtcd(t)
	var full atomic.Bool
	cli, err := clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint},
		Logger:    zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any,
			cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption,
		) error {
			err := next(ctx, method, req, reply, cc, opts...)
			if err == nil && strings.HasSuffix(method, "Txn") && full.Load() {
				return rpctypes.ErrGRPCNoSpace
			}
			return err
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cli.Close() })
	b := &bench{Target: open(t, cli), t: t, cli: cli, url: endpoint}
	b.claim("importer")
	full.Store(true)
	rev := b.commit(5, put("/a", "v"))
	if got := b.content()["/a"]; got == nil || got.modRev != rev {
		t.Errorf("got %v, want revision %d", got, rev)
	}
	full.Store(false)
	b.commit(6)
}

// When the context ends before the answer is known, nothing is assumed: the
// next commit waits for Load, and goes on from what stands there.
func TestUnknownOutcomeAtTheEndOfTheContext(t *testing.T) {
	p := newProxy(t, startEtcd(t))
	b := benchOn(t, p.url(), "importer")
	b.commit(4)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_ = p.listener.Close() // no way back
	struck := p.lose(answers)
	go func() {
		<-struck
		cancel()
	}()
	_, err := b.Commit(ctx, Tx{Changes: []change.Change{put("/a", wide)}, Cursor: &Cursor{Revision: 5}})
	if !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want ErrOutcomeUnknown", err)
	}
	if _, err := b.Commit(t.Context(), Tx{Cursor: &Cursor{}}); !errors.Is(err, ErrNotLoaded) {
		t.Fatalf("got %v, want ErrNotLoaded", err)
	}
	b.cli.SetEndpoints("http://" + p.backend)
	c, found, _, err := b.Load(t.Context())
	if err != nil || !found || c.Revision != 5 || c.Owner != "importer" {
		t.Fatalf("%+v, %v, %v: want revision 5, which took effect", c, found, err)
	}
	b.commit(6)
}

// A black hole gives no error at all: the attempt ends by its own clock.
func TestSilentNetwork(t *testing.T) {
	endpoint := startEtcd(t)
	b := benchOn(t, endpoint, "importer")
	b.attempt = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	hole := newProxy(t, endpoint)
	_ = hole.listener.Close()
	b.cli.SetEndpoints(hole.url())
	_, err := b.Commit(ctx, Tx{Cursor: &Cursor{Revision: 5}})
	if !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want ErrOutcomeUnknown", err)
	}
}

// Two targets of one channel: the one that claimed last goes on, the other
// stops at its first commit, with or without a cursor.
func TestFencing(t *testing.T) {
	endpoint := startEtcd(t)
	first := benchOn(t, endpoint, "first")
	first.commit(3, put("/a", "first"))
	second := benchOn(t, endpoint, "second")
	c, found, _, err := second.Load(t.Context())
	if err != nil || !found || c.Revision != 3 || c.Owner != "second" {
		t.Fatalf("%+v, %v, %v: the claim keeps the position", c, found, err)
	}
	second.commit(4, put("/a", "second"))
	for name, tx := range map[string]Tx{
		"cursor": {Changes: []change.Change{put("/a", "late")}, Cursor: &Cursor{Revision: 4}},
		"data":   {Changes: []change.Change{put("/a", "late")}},
		"empty":  {},
	} {
		_, err := first.Commit(t.Context(), tx)
		var fenced *Fenced
		if !errors.As(err, &fenced) || fenced.By != "second" || fenced.Cursor.Revision != 4 {
			t.Errorf("%s: got %v, want Fenced by second", name, err)
		}
		if fault.ExitCode(err) != int(fault.Safety) || fault.Try(err) == "" {
			t.Errorf("%s: no remedy in %v", name, err)
		}
	}
	var fenced *Fenced
	if _, _, _, err := first.Load(t.Context()); !errors.As(err, &fenced) {
		t.Errorf("Load after a lost claim gave %v, want Fenced", err)
	}
	if got := second.content()["/a"]; got.value != "second" {
		t.Errorf("the fenced writer wrote %q", got.value)
	}
	second.commit(5)
}

// A copied machine has our name, our data and our cursor.
func TestTwinIsFenced(t *testing.T) {
	endpoint := startEtcd(t)
	one, twin := benchOn(t, endpoint, "edge"), open(t, connect(t, endpoint))
	if _, _, _, err := twin.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	same := Cursor{Revision: 9, Owner: "edge"}
	if _, err := one.Commit(t.Context(), Tx{Cursor: &same}); err != nil {
		t.Fatal(err)
	}
	_, err := twin.Commit(t.Context(), Tx{Cursor: &same})
	var fenced *Fenced
	if !errors.As(err, &fenced) || fenced.By != "edge" {
		t.Errorf("got %v, want Fenced", err)
	}
}

func TestClaimRetriesWhenOvertaken(t *testing.T) {
	endpoint := startEtcd(t)
	b, other := benchOn(t, endpoint, "a"), benchOn(t, endpoint, "b")
	calls := 0
	c, _, err := b.Claim(t.Context(), "a", func(c Cursor, _ bool) (Cursor, error) {
		if calls++; calls == 1 {
			other.claim("b")
			other.commit(8)
		}
		c.Consistent = true
		return c, nil
	})
	if err != nil || calls != 2 || c.Revision != 8 || c.Owner != "a" {
		t.Errorf("%+v after %d calls, %v", c, calls, err)
	}
	stop := errors.New("stop")
	if _, _, err := b.Claim(t.Context(), "a", func(Cursor, bool) (Cursor, error) { return Cursor{}, stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// The target is wiped, or restored to an older state, behind our back.
func TestMoved(t *testing.T) {
	for name, move := range map[string]func(*testing.T, *bench){
		"wiped": func(t *testing.T, b *bench) {
			b.cli.SetEndpoints(startEtcd(t))
		},
		"restored": func(t *testing.T, b *bench) {
			old := startEtcd(t)
			cli := connect(t, old)
			raw, err := record{Cursor: Cursor{Format: 1, Source: key.Source, Channel: key.Channel, Revision: 2}, Session: b.session, Write: 1}.encode()
			if err != nil {
				t.Fatal(err)
			}
			for range 50 { // further on in revisions, but not in writes of ours
				if _, err := cli.Put(t.Context(), key.String(), string(raw)); err != nil {
					t.Fatal(err)
				}
			}
			b.cli.SetEndpoints(old)
		},
		"restored before the claim": func(t *testing.T, b *bench) {
			old := startEtcd(t)
			benchOn(t, old, "earlier")
			b.cli.SetEndpoints(old)
		},
		"deleted": func(t *testing.T, b *bench) {
			if _, err := b.cli.Delete(t.Context(), key.String()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.commit(10, put("/a", "v"))
			move(t, b)
			_, err := b.Commit(t.Context(), Tx{Changes: []change.Change{put("/a", "w")}, Cursor: &Cursor{Revision: 11}})
			var moved *Moved
			if !errors.As(err, &moved) {
				t.Fatalf("got %v, want Moved", err)
			}
			if want := strings.HasPrefix(name, "restored"); moved.Found != want {
				t.Errorf("found is %v, want %v", moved.Found, want)
			}
			if _, _, _, err := b.Load(t.Context()); !errors.As(err, &moved) {
				t.Errorf("Load gave %v, want Moved", err)
			}
			b.claim("importer") // starts over from what stands there
			b.commit(12, put("/a", "x"))
		})
	}
}
