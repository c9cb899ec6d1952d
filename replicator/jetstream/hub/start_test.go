package hub

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/pairing"
)

func startError(t *testing.T, o Options) error {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	h, err := Start(t.Context(), o)
	if err == nil {
		t.Cleanup(func() { _ = h.Stop() })
	}
	return err
}

// explains checks what an operator reads.
func explains(t *testing.T, err error, class fault.Class, words ...string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	if fault.ExitCode(err) != int(class) || fault.Try(err) == "" {
		t.Errorf("exit %d, want %d; %s", fault.ExitCode(err), class, fault.Describe(err))
	}
	for _, word := range words {
		if !strings.Contains(fault.Describe(err), word) {
			t.Errorf("want %q in: %s", word, fault.Describe(err))
		}
	}
}

func TestTwoHubsOnOneDirectory(t *testing.T) {
	dir := t.TempDir()
	first, err := Start(t.Context(), Options{DataDir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	explains(t, startError(t, Options{DataDir: dir}), fault.Safety, dir, "another hub runs on it (process ", "--data-dir")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := startError(t, Options{DataDir: dir}); err != nil {
		t.Errorf("the directory is not free after Stop: %v", err)
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	addr := l.Addr().String()
	explains(t, startError(t, Options{DataDir: t.TempDir(), Listen: addr}), fault.General, addr, "address already in use", "stop what listens there")
}

func TestAddressThatIsNotOurs(t *testing.T) {
	explains(t, startError(t, Options{DataDir: t.TempDir(), Listen: "192.0.2.1:4222"}), fault.General, "192.0.2.1:4222", "address of this host")
	for _, listen := range []string{"4222", ":4222", "127.0.0.1:nats", "127.0.0.1:70000"} {
		explains(t, startError(t, Options{DataDir: t.TempDir(), Listen: listen}), fault.Usage, listen, "host:port")
	}
}

func TestFileInPlaceOfTheDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	explains(t, startError(t, Options{DataDir: path}), fault.General, path, "file in the way")
	explains(t, startError(t, Options{}), fault.Usage, "--data-dir")
}

func TestDirectoryErrorsNameTheRemedy(t *testing.T) {
	for want, cause := range map[string]error{
		"chown":     &fs.PathError{Op: "open", Path: "/d/LOCK", Err: syscall.EACCES},
		"free disk": &fs.PathError{Op: "write", Path: "/d/LOCK", Err: syscall.ENOSPC},
		"read-only": &fs.PathError{Op: "mkdir", Path: "/d", Err: syscall.EROFS},
	} {
		explains(t, directoryError("/d", cause), fault.General, "data directory /d", want)
	}
}

func TestDiskThatIsFullAtStart(t *testing.T) {
	dir := t.TempDir()
	full := func(string) (uint64, error) { return 3 << 20, nil }
	explains(t, startError(t, Options{DataDir: dir, free: full}), fault.General, dir, "3 MiB are free", "free disk space")
	if err := startError(t, Options{DataDir: dir}); err != nil {
		t.Errorf("after space was made: %v", err)
	}
}

func TestAdminKeyFileThatIsSpoilt(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "admin.nk"), []byte("spoilt"), 0o600); err != nil {
		t.Fatal(err)
	}
	explains(t, startError(t, Options{DataDir: dir}), fault.Refused, "admin.nk", "nkey seed")
}

func TestTLSFilesThatAreWrong(t *testing.T) {
	explains(t, startError(t, Options{DataDir: t.TempDir(), TLS: conn.TLS{CA: "/none"}}), fault.Usage, "tls.cert")
	explains(t, startError(t, Options{DataDir: t.TempDir(), TLS: conn.TLS{Cert: "/none", Key: "/none"}}), fault.Usage, "/none")
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hub")
	if err := startError(t, Options{DataDir: dir}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{".": 0o700, "admin.nk": 0o600, "LOCK": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
}

// lines is a log that tests wait on.
type lines struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	seen chan struct{} // closed and replaced at every line
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.seen)
	l.seen = make(chan struct{})
	return l.buf.Write(b)
}

func (l *lines) await(ctx context.Context, t *testing.T, text string) {
	t.Helper()
	for {
		l.mu.Lock()
		found, seen := strings.Contains(l.buf.String(), text), l.seen
		l.mu.Unlock()
		if found {
			return
		}
		select {
		case <-seen:
		case <-ctx.Done():
			t.Fatalf("no log line with %q", text)
		}
	}
}

// A write that failed must not silence the hub for ever: the store closes
// while the disk is full and opens again, with everything in it, when it is not.
func TestStoreComesBackAfterAFullDisk(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out := &lines{seen: make(chan struct{})}
	var full atomic.Bool
	h, err := Start(ctx, Options{
		DataDir: t.TempDir(), Listen: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(out, nil)),
		free: func(string) (uint64, error) {
			if full.Load() {
				return 0, nil
			}
			return 1 << 40, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
	}()
	token, _, err := h.Pairs().Create(ctx, pairing.Offer{Name: "store-1", Source: "cloud", Policy: "flags"})
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "edge.nk")
	join := pairing.JoinOptions{URL: h.URL(), Token: token.Reveal(), KeyFile: keyFile}
	if _, err := pairing.Join(ctx, join); err != nil {
		t.Fatal(err)
	}

	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}

	full.Store(true)
	h.log.Errorf("JetStream stream '%s > %s' critical write error: %v", "$G", "S", syscall.ENOSPC)
	out.await(ctx, t, "hub store is off")
	if _, err := js.Publish(ctx, "s", nil, jetstream.WithRetryAttempts(0)); !errors.Is(err, jetstream.ErrNoStreamResponse) {
		t.Errorf("a publish while the disk is full: %v", err)
	}
	full.Store(false)
	out.await(ctx, t, "hub store works again")
	if ack, err := js.Publish(ctx, "s", nil); err != nil || ack.Sequence != 1 {
		t.Errorf("a publish afterwards: %+v, %v", ack, err)
	}
	if err := conn.CheckJetStream(ctx, h.nc); err != nil {
		t.Error(err)
	}
	if rec, err := h.Pairs().Get(ctx, "store-1"); err != nil || rec.State != pairing.Paired {
		t.Errorf("the pair is %+v, %v", rec, err)
	}
	if _, err := pairing.Join(ctx, join); err != nil {
		t.Errorf("the edge cannot connect: %v", err)
	}
	// The registry is followed again: this returns only when the gate has it.
	if _, err := h.Pairs().Remove(ctx, "store-1"); err != nil {
		t.Errorf("remove: %v", err)
	}
	_, err = pairing.Join(ctx, join)
	if fault.ExitCode(err) != int(fault.Refused) {
		t.Errorf("the removed edge got %v", err)
	}
}

func TestStartGivesUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	h, err := Start(ctx, Options{DataDir: dir, Listen: "127.0.0.1:0"})
	if err == nil {
		_ = h.Stop()
		t.Fatal("it started")
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := startError(t, Options{DataDir: dir}); err != nil {
		t.Errorf("the directory is not free: %v", err)
	}
}
