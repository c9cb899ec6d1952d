package pairing_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/jetstream/hub"
	"github.com/syncer-io/syncer/replicator/pairing"
)

// clock is a wall clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is a hub with a clock.
type world struct {
	t     *testing.T
	ctx   context.Context
	hub   *hub.Hub
	clock *clock
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, clock: newClock()}
	var err error
	w.hub, err = hub.Start(ctx, hub.Options{DataDir: t.TempDir(), Listen: "127.0.0.1:0", Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.hub.Stop(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) offer(o pairing.Offer) pairing.Token {
	w.t.Helper()
	if o.Source == "" {
		o.Source, o.Policy = "cloud", "flags"
	}
	token, _, err := w.hub.Pairs().Create(w.ctx, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (w *world) newKeyFile() string { return filepath.Join(w.t.TempDir(), "edge.nk") }

func (w *world) join(token pairing.Token, keyFile string) (pairing.Grant, error) {
	return pairing.Join(w.ctx, pairing.JoinOptions{
		URL: w.hub.URL(), Token: token.Reveal(), KeyFile: keyFile, Hostname: "till-7", Software: "v0.1.0",
	})
}

// refused checks a refusal's class, its words and that it has a remedy.
func (w *world) refused(err error, words ...string) {
	w.t.Helper()
	if fault.ExitCode(err) != int(fault.Refused) || fault.Try(err) == "" {
		w.t.Errorf("want a refusal with a remedy, got: %s (exit %d)", fault.Describe(errOr(err)), fault.ExitCode(err))
		return
	}
	for _, word := range words {
		if !strings.Contains(fault.Describe(err), word) {
			w.t.Errorf("want %q in: %s", word, fault.Describe(err))
		}
	}
}

func errOr(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

func TestJoinGivesTheGrantAndRecordsTheEdge(t *testing.T) {
	w := newWorld(t)
	token := w.offer(pairing.Offer{Name: "store-1"})
	keyFile := w.newKeyFile()
	grant, err := w.join(token, keyFile)
	want := pairing.Grant{Version: 1, Name: "store-1", Source: "cloud", Channel: "flags", Stream: "SYNC_cloud", Consumer: "store-1"}
	if err != nil || grant != want {
		t.Fatalf("got %+v, %v", grant, err)
	}
	rec, err := w.hub.Pairs().Get(w.ctx, "store-1")
	if err != nil {
		t.Fatal(err)
	}
	if rec.State != pairing.Paired || !rec.Used.Equal(w.clock.Now()) || rec.Hostname != "till-7" || rec.Software != "v0.1.0" {
		t.Errorf("recorded %+v", rec)
	}
	info, err := os.Stat(keyFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}
}

func TestJoinAgainWithTheSameKeyGivesTheSameGrant(t *testing.T) {
	w := newWorld(t)
	token := w.offer(pairing.Offer{Name: "store-1"})
	keyFile := w.newKeyFile()
	first, err := w.join(token, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(48 * time.Hour) // the lost answer is asked for long after expiry
	again, err := w.join(token, keyFile)
	if err != nil || again != first {
		t.Errorf("got %+v, %v; want %+v", again, err, first)
	}
}

func TestTokenIsUsedOnce(t *testing.T) {
	w := newWorld(t)
	token := w.offer(pairing.Offer{Name: "store-1"})
	if _, err := w.join(token, w.newKeyFile()); err != nil {
		t.Fatal(err)
	}
	_, err := w.join(token, w.newKeyFile())
	w.refused(err, "token was already used by store-1 (host till-7) at 2026-01-02T03:04:05Z",
		"if that was not you", "syncer pair remove store-1")
}

func TestTokenExpires(t *testing.T) {
	w := newWorld(t)
	token := w.offer(pairing.Offer{Name: "store-1"})
	w.clock.Advance(3 * time.Hour)
	_, err := w.join(token, w.newKeyFile())
	w.refused(err, "expired 2h ago", "syncer pair create store-1 --policy flags")
	rec, err := w.hub.Pairs().Get(w.ctx, "store-1")
	if err != nil || rec.State != pairing.Offered || !rec.Expired(w.clock.Now()) {
		t.Errorf("record %+v, %v", rec, err)
	}
}

func TestTokenOfARemovedPair(t *testing.T) {
	w := newWorld(t)
	token := w.offer(pairing.Offer{Name: "store-1"})
	if _, err := w.hub.Pairs().Remove(w.ctx, "store-1"); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(5 * time.Minute)
	_, err := w.join(token, w.newKeyFile())
	w.refused(err, "pair store-1 was removed 5m ago", "syncer pair create store-1")
}

func TestTokenOfAnotherHub(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	token := other.offer(pairing.Offer{Name: "store-1"})
	_, err := w.join(token, w.newKeyFile())
	w.refused(err, "not known to the hub at "+w.hub.URL(), "syncer pair create")
}

func TestTokenWithATypoNeedsNoNetwork(t *testing.T) {
	w := newWorld(t)
	keyFile := w.newKeyFile()
	_, err := pairing.Join(w.ctx, pairing.JoinOptions{
		URL: "nats://127.0.0.1:1", Token: "syn1_aeaqeayeauaacaqdaqcqmbyibefawdanbyhvau666a", KeyFile: keyFile,
	})
	w.refused(err, "not a valid token", "checksum")
	if _, err := os.Stat(keyFile); !errors.Is(err, os.ErrNotExist) {
		t.Error("a key was made for a token that cannot be right")
	}
}

func TestOneTokenTwoEdgesOneWins(t *testing.T) {
	w := newWorld(t)
	token := w.offer(pairing.Offer{Name: "store-1"})
	const edges = 8
	errs := make([]error, edges)
	var wg sync.WaitGroup
	for i := range errs {
		keyFile := w.newKeyFile()
		wg.Go(func() { _, errs[i] = w.join(token, keyFile) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		w.refused(err, "already used by store-1")
	}
	if won != 1 {
		t.Errorf("%d edges won", won)
	}
}

func TestOneEdgeKeyIsOneEdge(t *testing.T) {
	w := newWorld(t)
	keyFile := w.newKeyFile()
	if _, err := w.join(w.offer(pairing.Offer{Name: "store-1"}), keyFile); err != nil {
		t.Fatal(err)
	}
	_, err := w.join(w.offer(pairing.Offer{Name: "store-2"}), keyFile)
	w.refused(err, "already belongs to store-1")
	_, err = w.join(w.offer(pairing.Offer{Name: "store-3"}), w.hub.AdminSeedFile())
	w.refused(err, "already belongs to admin")
}

func TestJoinWithoutAHub(t *testing.T) {
	w := newWorld(t)
	_, err := pairing.Join(w.ctx, pairing.JoinOptions{
		URL: "nats://127.0.0.1:1", Token: w.offer(pairing.Offer{Name: "store-1"}).Reveal(), KeyFile: w.newKeyFile(),
	})
	if fault.ExitCode(err) != int(fault.Unreachable) || !strings.Contains(err.Error(), "nothing listens on 127.0.0.1:1") {
		t.Errorf("got %v", err)
	}
}

func TestCreateRefusesANameThatExists(t *testing.T) {
	w := newWorld(t)
	token := w.offer(pairing.Offer{Name: "store-1"})
	_, _, err := w.hub.Pairs().Create(w.ctx, pairing.Offer{Name: "store-1", Source: "cloud", Policy: "flags"})
	if err == nil || !strings.Contains(err.Error(), "pair store-1 exists: it is offered") || !strings.Contains(fault.Try(err), "--replace") {
		t.Errorf("got %v", err)
	}
	if _, err := w.join(token, w.newKeyFile()); err != nil {
		t.Errorf("the refused create spoiled the token: %v", err)
	}
}

func TestReplaceEndsTheOldToken(t *testing.T) {
	w := newWorld(t)
	old := w.offer(pairing.Offer{Name: "store-1"})
	token := w.offer(pairing.Offer{Name: "store-1", Replace: true})
	_, err := w.join(old, w.newKeyFile())
	w.refused(err, "not known to the hub")
	if _, err := w.join(token, w.newKeyFile()); err != nil {
		t.Error(err)
	}
}

func TestRemovedNameCanBeOfferedAgain(t *testing.T) {
	w := newWorld(t)
	keyFile := w.newKeyFile()
	if _, err := w.join(w.offer(pairing.Offer{Name: "store-1"}), keyFile); err != nil {
		t.Fatal(err)
	}
	if _, err := w.hub.Pairs().Remove(w.ctx, "store-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.join(w.offer(pairing.Offer{Name: "store-1"}), keyFile); err != nil {
		t.Errorf("the same edge cannot come back: %v", err)
	}
}

func TestRegistryListsAndSaysWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	if recs, err := w.hub.Pairs().List(w.ctx); err != nil || len(recs) != 0 {
		t.Errorf("an empty registry lists %v, %v", recs, err)
	}
	for _, name := range []string{"store-2", "store-1"} {
		w.offer(pairing.Offer{Name: name})
	}
	recs, err := w.hub.Pairs().List(w.ctx)
	if err != nil || len(recs) != 2 || recs[0].Name != "store-1" || recs[1].Name != "store-2" {
		t.Errorf("listed %v, %v", recs, err)
	}
	if _, err := w.hub.Pairs().Remove(w.ctx, "store-9"); !errors.Is(err, pairing.ErrNoPair) || fault.Try(err) != "syncer pair list" {
		t.Errorf("got %v", err)
	}
	_, _, err = w.hub.Pairs().Create(w.ctx, pairing.Offer{Name: "Store.1", Source: "cloud", Policy: "flags"})
	if fault.ExitCode(err) != int(fault.Usage) {
		t.Errorf("got %v", err)
	}
}

// A hostile bearer of a token may send anything; none of it may be answered
// elsewhere or consume the token.
func TestJoinServiceIgnoresWhatIsForged(t *testing.T) {
	w := newWorld(t)
	token := w.offer(pairing.Offer{Name: "store-1"})
	admin, err := conn.Connect(w.ctx, conn.Options{URLs: []string{w.hub.URL()}, CredentialsFile: w.hub.AdminSeedFile()})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	elsewhere, err := admin.SubscribeSync("somewhere.else")
	if err != nil {
		t.Fatal(err)
	}
	m := nats.NewMsg(pairing.JoinSubject(token.ID()))
	m.Reply, m.Data = "somewhere.else", []byte(`{}`)
	if err := admin.PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	// Joining afterwards proves that the forged request was handled: requests
	// are served one after the other.
	if _, err := w.join(token, w.newKeyFile()); err != nil {
		t.Fatal(err)
	}
	if err := admin.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := elsewhere.Pending(); err != nil || n != 0 {
		t.Errorf("%d answers elsewhere, %v", n, err)
	}
}
