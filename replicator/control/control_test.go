package control

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// importer takes commands until it is full.
type importer struct {
	mu    sync.Mutex
	taken []command.Command
	full  error
}

func (i *importer) Command(c command.Command) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.full == nil {
		i.taken = append(i.taken, c)
	}
	return i.full
}

func (i *importer) Status() status.Edge {
	i.mu.Lock()
	defer i.mu.Unlock()
	e := status.Edge{Name: "store-1", State: status.InSync}
	for _, c := range i.taken {
		e.Tasks = append(e.Tasks, command.Task{ID: c.ID, Verb: c.Verb, State: command.Waiting})
	}
	return e
}

// serving starts a server on dir that the returned function ends.
func serving(t *testing.T, dir string, im Importer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, dir, im, slog.New(slog.NewTextHandler(t.Output(), nil))) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// answering waits until the importer of dir answers.
func answering(t *testing.T, dir string) *Client {
	t.Helper()
	c := NewClient(dir)
	t.Cleanup(c.Close)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for {
		_, err := c.Status(t.Context())
		if err == nil {
			return c
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("no answer: %v", err)
		}
	}
}

func TestACommandArrivesAndItsTaskIsInTheReport(t *testing.T) {
	dir := t.TempDir()
	serving(t, dir, &importer{})
	client := answering(t, dir)
	want := command.New(command.Verify)
	if err := client.Command(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	e, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e.Name != "store-1" || len(e.Tasks) != 1 || e.Tasks[0].ID != want.ID || e.Tasks[0].Verb != command.Verify {
		t.Errorf("the report is %+v", e)
	}
}

func TestARefusalSaysWhyAndWhetherToTryAgain(t *testing.T) {
	dir := t.TempDir()
	serving(t, dir, &importer{full: errors.New("16 commands wait already")})
	client := answering(t, dir)
	for name, c := range map[string]struct {
		command command.Command
		class   fault.Class
		reason  string
	}{
		"full":           {command.New(command.Pause), fault.Unreachable, "16 commands wait already"},
		"unknown verb":   {command.New("explode"), fault.Usage, `unknown command "explode"`},
		"another format": {command.Command{Format: 2, ID: "x", Verb: command.Pause}, fault.Usage, "has format 2"},
		"no groups":      {command.New(command.Approve), fault.Usage, "names the groups"},
		"too large":      {command.Command{Format: 1, ID: "x", Verb: command.Pause, Prefix: strings.Repeat("x", maxBody)}, fault.Usage, "more than 262144 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			err := client.Command(t.Context(), c.command)
			if fault.ExitCode(err) != int(c.class) || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("got %v (exit code %d), want %q with %d", err, fault.ExitCode(err), c.reason, c.class)
			}
		})
	}
}

func TestOnlyTheImportersUserMayOpenTheSocket(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	stop := serving(t, dir, &importer{})
	answering(t, dir)
	info, err := os.Stat(filepath.Join(dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
		t.Errorf("the socket has mode %v", info.Mode())
	}
	stop()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	dir := t.TempDir()
	l, err := bind(t.Context(), dir) // a process that was killed does not remove it
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, privatePrefix+"killed"), 0o700); err != nil {
		t.Fatal(err)
	}
	client := NewClient(dir)
	if _, err := client.Status(t.Context()); fault.ExitCode(err) != int(fault.Unreachable) || !strings.Contains(err.Error(), "no importer runs") {
		t.Fatalf("a stale socket gives %v", err)
	}
	serving(t, dir, &importer{})
	answering(t, dir)
	left, err := filepath.Glob(filepath.Join(dir, privatePrefix+"*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestADeepDataDirectoryHasASocketToo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 60))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	stop := serving(t, dir, &importer{})
	answering(t, dir)
	if _, err := os.Stat(filepath.Join(dir, SocketName)); err != nil {
		t.Error(err)
	}
	stop()
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind in the temporary directory: %v, %v", left, err)
	}
}

func TestNoImporterIsUnreachable(t *testing.T) {
	for name, dir := range map[string]string{"never ran": t.TempDir(), "no directory": filepath.Join(t.TempDir(), "none")} {
		err := NewClient(dir).Command(t.Context(), command.New(command.Pause))
		if fault.ExitCode(err) != int(fault.Unreachable) || fault.Try(err) != "start it: syncer import" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A client that connects and says nothing, or reads nothing, does not keep the
// server from its end.
func TestASilentClientDoesNotHoldTheServer(t *testing.T) {
	dir := t.TempDir()
	stop := serving(t, dir, &importer{})
	answering(t, dir)
	c, err := dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("POST /v1/command HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	stop()
	if took := time.Since(began); took > requestTime+closeTime {
		t.Errorf("the end took %v", took)
	}
}

// FuzzCommandRequest holds that whatever arrives is answered, and that only
// commands that check out reach the importer.
func FuzzCommandRequest(f *testing.F) {
	good, err := command.New(command.Resync).Encode()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{good, nil, []byte(`{}`), []byte(`[]`), []byte(`{"format":1,"id":"x","verb":"drop"}`), append(good, '{')} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		im := &importer{}
		w := &recorder{header: http.Header{}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://importer"+commandPath, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		handler(im).ServeHTTP(w, r)
		if taken := w.code == http.StatusAccepted; taken != (len(im.taken) == 1) {
			t.Fatalf("status %d, and %d commands arrived", w.code, len(im.taken))
		}
		for _, c := range im.taken {
			if err := c.Check(); err != nil {
				t.Fatalf("a command that does not check out arrived: %v", err)
			}
		}
		if w.code != http.StatusAccepted && !bytes.Contains(w.body.Bytes(), []byte(`"error"`)) {
			t.Fatalf("status %d without a reason: %s", w.code, w.body.Bytes())
		}
	})
}

// recorder is an answer that is kept.
type recorder struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(code int)        { r.code = code }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
