package conn_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/jetstream/hub"
)

// listener accepts connections and gives each to serve.
func listener(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func TestWrongPlaces(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	silent := listener(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	chatty := listener(t, func(c net.Conn) { _, _ = c.Write([]byte("220 mail ready\r\n")); _, _ = io.Copy(io.Discard, c) })
	for name, tt := range map[string]struct {
		url   string
		words []string
	}{
		"closed port":     {"nats://127.0.0.1:1", []string{"nats://127.0.0.1:1", "nothing listens on 127.0.0.1:1", "syncer hub"}},
		"unknown host":    {"nats://hub.invalid:4222", []string{"hub.invalid", "host name is not known"}},
		"web server":      {"nats://" + web.Listener.Addr().String(), []string{"a web server answers", "4222"}},
		"silent server":   {"nats://" + silent, []string{silent, "is not a NATS server"}},
		"another server":  {"nats://" + chatty, []string{chatty, "not as a NATS server"}},
		"etcd's own port": {"nats://" + startEtcd(t), []string{"an etcd answers", "target.etcd"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := connect(t, conn.Options{URLs: []string{tt.url}, Timeout: 500 * time.Millisecond})
			explains(t, err, fault.Unreachable, tt.words...)
		})
	}
}

func startEtcd(t *testing.T) string {
	t.Helper()
	cfg := embed.NewConfig()
	cfg.Dir, cfg.LogLevel, cfg.LogOutputs = t.TempDir(), "fatal", []string{"/dev/null"}
	local := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg.ListenClientUrls, cfg.ListenPeerUrls = local, local
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	<-e.Server.ReadyNotify()
	return e.Clients[0].Addr().String()
}

func TestAddressesThatCannotBe(t *testing.T) {
	for raw, word := range map[string]string{
		"":                      "no scheme",
		"hub.example:4222":      "nats://host:port",
		"http://hub:4222":       "not how a hub is reached",
		"nats://":               "no host",
		"nats://me:pw@hub:4222": "credentials",
		"nats://hub:42 22":      "nats://host:port",
	} {
		_, err := connect(t, conn.Options{URLs: []string{raw}})
		explains(t, err, fault.Usage, word)
	}
	_, err := connect(t, conn.Options{})
	explains(t, err, fault.Usage, "no hub address")
}

func TestTLSMismatches(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	day := time.Now().Add(24 * time.Hour)
	plain := startHub(t, hub.Options{})
	secure := startHub(t, hub.Options{TLS: ours.issue("", day)})
	named := startHub(t, hub.Options{TLS: ours.issue("hub.example", day)})
	expired := startHub(t, hub.Options{TLS: ours.issue("", time.Now().Add(-time.Hour))})
	mutualTLS := ours.issue("", day)
	mutualTLS.CA = ours.file
	mutual := startHub(t, hub.Options{TLS: mutualTLS})

	withCA := conn.TLS{CA: ours.file}
	good, foreign := ours.issue("", day), theirs.issue("", day)
	good.CA, foreign.CA = ours.file, ours.file
	for name, tt := range map[string]struct {
		hub   *hub.Hub
		tls   conn.TLS
		words []string // none: it connects
	}{
		"right authority":              {secure, withCA, nil},
		"TLS here, none there":         {plain, withCA, []string{"the hub does not speak TLS"}},
		"none here, TLS there":         {secure, conn.TLS{}, []string{"the hub uses TLS", "set tls.ca"}},
		"wrong authority":              {secure, conn.TLS{CA: theirs.file}, []string{"not issued by the authority in " + theirs.file}},
		"wrong name":                   {named, withCA, []string{"for another name", "tls.serverName"}},
		"right name":                   {named, conn.TLS{CA: ours.file, ServerName: "hub.example"}, nil},
		"expired":                      {expired, withCA, []string{"not valid", "renew"}},
		"client certificate missing":   {mutual, withCA, []string{"wants a certificate of this side"}},
		"client certificate not known": {mutual, foreign, []string{"refused this side's certificate"}},
		"client certificate right":     {mutual, good, nil},
		"authority that is no file":    {secure, conn.TLS{CA: "/none/ca.pem"}, []string{"tls.ca", "/none/ca.pem"}},
		"authority that is no PEM":     {secure, conn.TLS{CA: write(t, "x", 0o600, []byte("x"))}, []string{"holds no certificate"}},
		"certificate without key":      {secure, conn.TLS{Cert: good.Cert}, []string{"only one of cert and key"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := connect(t, conn.Options{URLs: []string{tt.hub.URL()}, CredentialsFile: tt.hub.AdminSeedFile(), TLS: tt.tls})
			if tt.words == nil {
				if err != nil {
					t.Error(fault.Describe(err))
				}
				return
			}
			class := fault.Refused
			if strings.Contains(tt.words[0], "tls.") || strings.Contains(tt.words[0], "holds no") || strings.Contains(tt.words[0], "only one") {
				class = fault.Usage
			}
			explains(t, err, class, tt.words...)
		})
	}
}

func TestContextEndsAConnectionAttempt(t *testing.T) {
	accepted := make(chan struct{}, 8)
	silent := listener(t, func(c net.Conn) { accepted <- struct{}{}; _, _ = io.Copy(io.Discard, c) })
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := conn.Connect(ctx, conn.Options{URLs: []string{"nats://" + silent}, Timeout: time.Hour})
		result <- err
	}()
	<-accepted
	cancel()
	select {
	case err := <-result:
		explains(t, err, fault.Unreachable, "no connection in the time allowed")
	case <-time.After(30 * time.Second):
		t.Fatal("the attempt goes on without its context")
	}
}

// output collects log lines.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// A daemon that starts before its hub, and outlives the hub's restarts,
// connects whenever the hub is there, and says so once, not at every attempt.
func TestKeepTrying(t *testing.T) {
	dir := t.TempDir()
	first := startHub(t, hub.Options{DataDir: dir})
	addr := strings.TrimPrefix(first.URL(), "nats://")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	out := &output{}
	nc, err := connect(t, conn.Options{
		URLs: []string{"nats://" + addr}, CredentialsFile: first.AdminSeedFile(), KeepTrying: true, JitterMax: time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(out, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	states := nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING)
	await := func(want nats.Status) {
		t.Helper()
		for got := nc.Status(); got != want; {
			select {
			case got = <-states:
			case <-testContext(t).Done():
				t.Fatalf("status is %v, want %v", got, want)
			}
		}
	}
	second := startHub(t, hub.Options{DataDir: dir, Listen: addr})
	await(nats.CONNECTED)
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	await(nats.RECONNECTING)
	startHub(t, hub.Options{DataDir: dir, Listen: addr})
	await(nats.CONNECTED)
	nc.Close()
	if n := strings.Count(out.String(), "cannot be reached"); n > 2 {
		t.Errorf("said %d times that the hub cannot be reached:\n%s", n, out)
	}
}

func TestInProcess(t *testing.T) {
	h := startHub(t, hub.Options{})
	nc, err := connect(t, conn.Options{InProcess: h.InProcess(), CredentialsFile: h.AdminSeedFile(), InboxPrefix: "_INBOX_me"})
	if err != nil {
		t.Fatal(err)
	}
	if got := nc.NewRespInbox(); !strings.HasPrefix(got, "_INBOX_me.") {
		t.Errorf("inbox is %s", got)
	}
	if err := conn.CheckJetStream(testContext(t), nc); err != nil {
		t.Error(err)
	}
	if err := conn.CheckMaxPayload(nc, hub.MaxPayload); err != nil {
		t.Error(err)
	}
	explains(t, conn.CheckMaxPayload(nc, hub.MaxPayload+1), fault.Check, fmt.Sprintf("max_payload: %d", hub.MaxPayload+1))
}
