package target

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// wantRefused checks which of the changes are refused, as "why key", that each
// has a remedy, and that asking wrote nothing.
func wantRefused(t *testing.T, tg *Target, changes []change.Change, want ...string) []Refused {
	t.Helper()
	got, err := tg.Refused(t.Context(), changes)
	if err != nil {
		t.Fatal(err)
	}
	var is []string
	for _, r := range got {
		is = append(is, r.Why+" "+string(r.Key))
		if fault.Try(r.Err) == "" {
			t.Errorf("no remedy in %v", r.Err)
		}
	}
	if !slices.Equal(is, want) {
		t.Errorf("refused %.1000q, want %.1000q", is, want)
	}
	return got
}

func sized(key string, n int) change.Change { return put(key, strings.Repeat("v", n)) }

func TestRefusedTooLarge(t *testing.T) {
	b := benchOn(t, startEtcd(t, func(c *embed.Config) { c.MaxRequestBytes = 512 << 10 }), "importer")
	before := b.revision()
	got := wantRefused(t, b.Target, []change.Change{
		del("/z"), sized("/y", 600_000), put("/a", ""), sized("/x", 500_000), sized("/c", 4_000_000),
		del("/" + strings.Repeat("k", 600_000)),
	}, "too-large /c", "too-large /"+strings.Repeat("k", 600_000), "too-large /y")
	var large *TooLarge
	if !errors.As(got[0].Err, &large) || large.Limit != 512<<10 || large.Bytes < 4_000_000 || large.Ops != 1 {
		t.Errorf("got %v", got[0].Err)
	}
	wantRefused(t, b.Target, nil)
	if b.revision() != before {
		t.Error("asking wrote something")
	}
}

// Whatever is not refused can be committed with a cursor: else an applier
// would try it for ever.
func TestRefusedAgreesWithCommit(t *testing.T) {
	b := benchOn(t, startEtcd(t, func(c *embed.Config) { c.MaxRequestBytes = 256 << 10 }), "importer")
	refused := 0
	for n := 256<<10 - 1200; n <= 256<<10; n += 40 {
		c := sized("/big", n)
		_, err := b.Commit(t.Context(), Tx{Changes: []change.Change{c}, Cursor: &Cursor{Revision: 7, Chain: make([]byte, 32), Torn: 1 << 60}})
		r, rerr := b.Refused(t.Context(), []change.Change{c})
		if rerr != nil {
			t.Fatal(rerr)
		}
		refused += len(r)
		if err != nil && len(r) == 0 {
			t.Errorf("%d bytes are not refused, and the commit gives %v", n, err)
		}
	}
	if refused == 0 || refused > 30 {
		t.Errorf("%d sizes of 31 are refused", refused)
	}
}

// The etcd was started again with a lower limit than we know.
func TestRefusedAsksTheServerForItsLimit(t *testing.T) {
	b := benchOn(t, startEtcd(t, func(c *embed.Config) { c.MaxRequestBytes = 1 << 20 }), "importer",
		WithLimits(Limits{MaxOps: 128, MaxBytes: 2 << 20}))
	wantRefused(t, b.Target, []change.Change{
		sized("/300", 300_000), sized("/700", 700_000), sized("/1000", 1_000_000),
		sized("/1100", 1_100_000), sized("/1500", 1_500_000), sized("/9000", 9_000_000), put("/a", "v"),
	}, "too-large /1100", "too-large /1500", "too-large /9000")
	wantRefused(t, b.Target, []change.Change{sized("/300", 300_000), sized("/700", 700_000)})
	wantRefused(t, b.Target, []change.Change{sized("/1500", 1_500_000)}, "too-large /1500")
}

func TestRefusedForbidden(t *testing.T) {
	endpoint := startEtcd(t)
	edge := login(t, connect(t, endpoint), endpoint, "/app/", Prefix)
	b := &bench{Target: open(t, edge), t: t, cli: edge, url: endpoint}
	b.claim("edge")
	before, _, err := b.anyReleased(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	changes := append(puts(names("/app/", 1000)), put("/aa", "v"), del("/zz"), put("/app", "v"), sized("/huge", 2_000_000))
	wantRefused(t, b.Target, changes, "forbidden /aa", "forbidden /app", "too-large /huge", "forbidden /zz")
	wantRefused(t, b.Target, changes[:1000])

	outside := names("/other/", 700)
	var all []string
	for _, k := range outside {
		all = append(all, "forbidden "+k)
	}
	got := wantRefused(t, b.Target, deletes(outside), all...)
	if !errors.Is(got[0].Err, ErrForbidden) || !strings.Contains(got[0].Err.Error(), outside[0]) {
		t.Errorf("got %v", got[0].Err)
	}
	if now, _, err := b.anyReleased(t.Context()); err != nil || now != before {
		t.Errorf("asking moved the revision from %d to %d, %v", before, now, err)
	}
	_, err = b.Commit(t.Context(), Tx{Changes: changes[:1001], Cursor: &Cursor{Revision: 2}})
	if !errors.Is(err, ErrForbidden) {
		t.Errorf("the commit gave %v, want ErrForbidden", err)
	}
	b.commit(2, changes[:1000]...)
}

// However the keys that are granted lie among those that are not.
func TestRefusedForbiddenAmongGranted(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	endpoint := startEtcd(t)
	keys := names("/k/", 200)
	granted := []string{Prefix}
	var want []string
	for _, k := range keys {
		if random.IntN(4) == 0 {
			granted = append(granted, k)
		} else {
			want = append(want, "forbidden "+k)
		}
	}
	edge := login(t, connect(t, endpoint), endpoint, granted...)
	wantRefused(t, open(t, edge), puts(keys), want...)
}

// A user that may write nothing is an outage: each change would look like
// poison.
func TestRefusedWithoutTheCursorIsAnError(t *testing.T) {
	endpoint := startEtcd(t)
	blind := login(t, connect(t, endpoint), endpoint, "/app/")
	tg := open(t, blind, WithLimits(Limits{MaxOps: 128, MaxBytes: 1 << 20}))
	for _, changes := range [][]change.Change{{put("/other", "v")}, {put("/app/a", "v")}} {
		got, err := tg.Refused(t.Context(), changes)
		if !errors.Is(err, ErrForbidden) || fault.ExitCode(err) != int(fault.Refused) || !strings.Contains(err.Error(), key.String()) || got != nil {
			t.Errorf("got %v, %v; want an error about the cursor", got, err)
		}
	}
}

func TestRefusedInvalid(t *testing.T) {
	b := newBench(t, WithRanges([]change.Range{change.PrefixRange([]byte("/app/"))}))
	wantRefused(t, b.Target, []change.Change{put("/app/b", "v"), put("", "v")}, status.Invalid+" ")
	for name, changes := range map[string][]change.Change{
		"outside":    {put("/other", "v")},
		"own prefix": {put(key.String(), "v")},
		"twice":      {put("/app/a", "v"), del("/app/a")},
		"no op":      {{Key: []byte("/app/a")}},
	} {
		if got, err := b.Refused(t.Context(), changes); err == nil || got != nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}

// An etcd that does not answer refuses nothing.
func TestRefusedWithoutAnswerIsAnError(t *testing.T) {
	endpoint := startEtcd(t)
	b := benchOn(t, endpoint, "importer")
	b.attempt = 50 * time.Millisecond
	hole := newProxy(t, endpoint)
	_ = hole.listener.Close()
	b.cli.SetEndpoints(hole.url())
	for i, c := range []change.Change{put("/a", "v"), sized("/b", 1_000_000)} {
		got, err := b.Refused(t.Context(), []change.Change{c})
		if err == nil || got != nil || !dial.Retryable(err) {
			t.Errorf("%d: got %v, %v; want a transient error", i, got, err)
		}
	}
}

func BenchmarkRefusedNothing(b *testing.B) {
	bn := benchOn(b, startEtcd(b), "bench")
	for _, n := range []int{100, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			changes := puts(names("/bench/", n))
			for b.Loop() {
				if got, err := bn.Refused(b.Context(), changes); err != nil || len(got) != 0 {
					b.Fatal(got, err)
				}
			}
		})
	}
}
