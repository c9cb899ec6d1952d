package dial

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/testbed"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func freeAddr(t *testing.T) string {
	t.Helper()
	address, err := testbed.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// startEtcd runs a single etcd until the test ends.
func startEtcd(t *testing.T, scheme string, change ...func(*embed.Config)) (client, peer string) {
	t.Helper()
	cfg := embed.NewConfig()
	cfg.Dir = t.TempDir()
	cfg.LogLevel = "panic"
	cfg.UnsafeNoFsync = true
	cfg.TickMs, cfg.ElectionMs = 20, 200 // a lone member elects itself at once
	cfg.BcryptCost = 4                   // passwords of tests need no work
	cu := url.URL{Scheme: scheme, Host: freeAddr(t)}
	pu := url.URL{Scheme: "http", Host: freeAddr(t)}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{cu}, []url.URL{cu}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{pu}, []url.URL{pu}
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
	return cu.String(), pu.String()
}

// authority is a certificate authority in files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	CA   string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.CA = a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	file := filepath.Join(a.dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

// issue makes a certificate that lives until end.
func (a *authority) issue(name string, end time.Time) (cert, key string) {
	a.t.Helper()
	k := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: end,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if name == "127.0.0.1" {
		template.DNSNames, template.IPAddresses = nil, []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, k.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write(name+".pem", "CERTIFICATE", der), a.write(name+".key", "EC PRIVATE KEY", raw)
}

// serve makes an etcd use the authority for its clients.
func (a *authority) serve(cert, key string, clientCerts bool) func(*embed.Config) {
	return func(cfg *embed.Config) {
		cfg.ClientTLSInfo.CertFile, cfg.ClientTLSInfo.KeyFile = cert, key
		if clientCerts {
			cfg.ClientTLSInfo.TrustedCAFile = a.CA
			cfg.ClientTLSInfo.ClientCertAuth = true
		}
	}
}

// wants fails unless err is of the class, says the words, and has a remedy.
func wants(t *testing.T, err error, class fault.Class, words ...string) {
	t.Helper()
	if fault.ExitCode(err) != int(class) {
		t.Errorf("exit code %d, want %d: %v", fault.ExitCode(err), class, err)
	}
	if fault.Try(err) == "" {
		t.Errorf("no remedy: %v", err)
	}
	for _, w := range words {
		if !strings.Contains(fault.Describe(err), w) {
			t.Errorf("%q is not in %q", w, fault.Describe(err))
		}
	}
}

func dialErr(t *testing.T, cfg Config) error {
	t.Helper()
	cli, err := Dial(t.Context(), cfg, quiet())
	if err == nil {
		_ = cli.Close()
		t.Fatalf("%v: connected, want an error", cfg.Endpoints)
	}
	return err
}

func TestDialAndCheck(t *testing.T) {
	url, _ := startEtcd(t, "http")
	ctx, cancel := context.WithCancel(t.Context())
	cli, err := Dial(ctx, Config{Endpoints: []string{strings.TrimPrefix(url, "http://")}}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	cancel() // the client outlives the call that made it
	if _, err := cli.Put(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	srv, err := Check(t.Context(), cli, Target)
	if err != nil {
		t.Fatal(err)
	}
	if srv.Version == "" || srv.ClusterID == 0 || srv.MemberID == 0 || srv.Revision != 2 || len(srv.Warnings) != 0 {
		t.Errorf("unexpected: %+v", srv)
	}
}

func TestDialUnixSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "sock") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "etcd.sock")
	startEtcd(t, "http", func(c *embed.Config) {
		c.ListenClientUrls = append(c.ListenClientUrls, url.URL{Scheme: "unix", Path: socket})
	})
	cli, err := Dial(t.Context(), Config{Endpoints: []string{"unix://" + socket}}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	if _, err := cli.Put(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	err = dialErr(t, Config{Endpoints: []string{"unix://" + socket + ".none"}})
	wants(t, err, fault.Unreachable, "path of the socket")
}

func TestDialTLS(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("127.0.0.1", time.Now().Add(time.Hour))
	secure, _ := startEtcd(t, "https", a.serve(cert, key, false))
	mutual, _ := startEtcd(t, "https", a.serve(cert, key, true))
	plain, _ := startEtcd(t, "http")
	host := func(u string) string { return u[strings.Index(u, "://")+3:] }

	for name, cfg := range map[string]Config{
		"authority":          {Endpoints: []string{secure}, TLS: &TLS{CA: a.CA}},
		"host and port":      {Endpoints: []string{host(secure)}, TLS: &TLS{CA: a.CA}},
		"client certificate": {Endpoints: []string{mutual}, TLS: &TLS{CA: a.CA, Cert: cert, Key: key}},
	} {
		cli, err := Dial(t.Context(), cfg, quiet())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := cli.Put(t.Context(), "k", "v"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_ = cli.Close()
	}

	other := newAuthority(t)
	otherCert, otherKey := other.issue("127.0.0.1", time.Now().Add(time.Hour))
	for name, c := range map[string]struct {
		cfg   Config
		class fault.Class
		words string
	}{
		"plain to TLS":       {Config{Endpoints: []string{"http://" + host(secure)}}, fault.Usage, "https://"},
		"TLS to plain":       {Config{Endpoints: []string{"https://" + host(plain)}}, fault.Usage, "speaks plain text"},
		"unknown authority":  {Config{Endpoints: []string{secure}}, fault.Refused, "tls.ca"},
		"other authority":    {Config{Endpoints: []string{secure}, TLS: &TLS{CA: other.CA}}, fault.Refused, "tls.ca"},
		"other name":         {Config{Endpoints: []string{secure}, TLS: &TLS{CA: a.CA, ServerName: "x"}}, fault.Refused, "tls.serverName"},
		"no certificate":     {Config{Endpoints: []string{mutual}, TLS: &TLS{CA: a.CA}}, fault.Refused, "client certificate"},
		"foreign cert":       {Config{Endpoints: []string{mutual}, TLS: &TLS{CA: a.CA, Cert: otherCert, Key: otherKey}}, fault.Refused, "client certificate"},
		"tls with http":      {Config{Endpoints: []string{plain}, TLS: &TLS{}}, fault.Usage, "https://"},
		"no such authority":  {Config{Endpoints: []string{secure}, TLS: &TLS{CA: "/none"}}, fault.Usage, "tls.ca"},
		"not an authority":   {Config{Endpoints: []string{secure}, TLS: &TLS{CA: key}}, fault.Usage, "holds no certificate"},
		"key does not match": {Config{Endpoints: []string{secure}, TLS: &TLS{CA: a.CA, Cert: cert, Key: otherKey}}, fault.Usage, "tls.key"},
	} {
		t.Run(name, func(t *testing.T) {
			err := dialErr(t, c.cfg)
			wants(t, err, c.class, c.words)
			if Retryable(err) {
				t.Errorf("retryable: %v", err)
			}
		})
	}
}

func TestExpiredServerCertificate(t *testing.T) {
	a := newAuthority(t)
	certFile, keyFile := a.issue("127.0.0.1", time.Now().Add(-time.Hour))
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	srv.Config.ErrorLog = slog.NewLogLogger(quiet().Handler(), slog.LevelError)
	srv.StartTLS()
	defer srv.Close()
	err = dialErr(t, Config{Endpoints: []string{srv.URL}, TLS: &TLS{CA: a.CA}})
	wants(t, err, fault.Refused, "expired", "renew")
}

func TestDialWrongPlace(t *testing.T) {
	_, peer := startEtcd(t, "http")
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	hub, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	hub.Start()
	defer hub.Shutdown()
	if !hub.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats does not start")
	}
	for name, c := range map[string]struct {
		url   string
		class fault.Class
		words string
		retry bool
	}{

		"nothing there": {"http://" + freeAddr(t), fault.Unreachable, "listens on this port", true},
		"nats":          {"http://" + hub.Addr().String(), fault.Usage, "NATS", false},
		"web server":    {web.URL, fault.Usage, "2379", false},
		"peer port":     {peer, fault.Usage, "2380", false},
		"silence":       {"http://" + mute(t, false), fault.Unreachable, "does not answer", true},
		"hangs up":      {"http://" + mute(t, true), fault.Unreachable, "hangs up", true},
		"unknown host":  {"http://none.invalid:2379", fault.Unreachable, "host name", true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Endpoints: []string{c.url}}
			if name == "silence" {
				cfg.Timeout = 100 * time.Millisecond
			}
			err := dialErr(t, cfg)
			wants(t, err, c.class, c.words, strings.TrimPrefix(c.url, "http://"))
			if Retryable(err) != c.retry {
				t.Errorf("retryable is %v: %v", !c.retry, err)
			}
		})
	}
}

// mute takes connections and says nothing, or hangs up.
func mute(t *testing.T, hangUp bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var open []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			if open = append(open, conn); hangUp {
				_ = conn.Close()
			}
		}
		for _, c := range open {
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func TestOneGoodEndpointIsEnough(t *testing.T) {
	url, _ := startEtcd(t, "http")
	cli, err := Dial(t.Context(), Config{Endpoints: []string{"http://" + freeAddr(t), url}}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	srv, err := Check(t.Context(), cli, Source)
	if err != nil {
		t.Fatal(err)
	}
	if srv.Endpoint != url || len(srv.Warnings) != 1 {
		t.Errorf("want a warning about the other endpoint: %+v", srv)
	}
}

func TestDialCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Dial(ctx, Config{Endpoints: []string{"http://" + mute(t, false)}}, quiet())
	if !errors.Is(err, context.Canceled) || Retryable(err) {
		t.Errorf("got %v", err)
	}
}

func TestLogin(t *testing.T) {
	url, _ := startEtcd(t, "http")
	root, err := Dial(t.Context(), Config{Endpoints: []string{url}}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	enableAuth(t, root)
	password := func(p string) string {
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte(p), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}

	err = dialErr(t, Config{Endpoints: []string{url}, Username: "edge", PasswordFile: password("wrong")})
	wants(t, err, fault.Refused, "passwordFile", url)
	wants(t, dialErr(t, Config{Endpoints: []string{url}, Username: "edge"}), fault.Usage, "passwordFile")
	wants(t, dialErr(t, Config{Endpoints: []string{url}, Username: "edge", PasswordFile: password("\n")}), fault.Usage, "empty")
	wants(t, dialErr(t, Config{Endpoints: []string{url}, Username: "edge", PasswordFile: "/none"}), fault.Usage, "passwordFile")

	anonymous, err := Dial(t.Context(), Config{Endpoints: []string{url}}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer anonymous.Close()
	_, err = anonymous.Get(t.Context(), "/app/a")
	wants(t, Explain(err, url), fault.Refused, "asks for a log-in")

	edge, err := Dial(t.Context(), Config{Endpoints: []string{url}, Username: "edge", PasswordFile: password("secret\n")}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer edge.Close()
	if _, err := edge.Put(t.Context(), "/app/a", "v"); err != nil {
		t.Fatal(err)
	}
	if srv, err := Check(t.Context(), edge, Target); err != nil || len(srv.Warnings) != 0 {
		t.Errorf("%+v, %v", srv, err)
	}
	_, err = edge.Put(t.Context(), "/other", "v")
	err = Explain(err, url, "/other")
	wants(t, err, fault.Refused, `"/other"`, "grant")
	if !errors.Is(err, rpctypes.ErrPermissionDenied) || Retryable(err) {
		t.Errorf("got %v", err)
	}
}

func enableAuth(t *testing.T, root *clientv3.Client) {
	t.Helper()
	ctx := t.Context()
	end := clientv3.GetPrefixRangeEnd("/app/")
	for _, step := range []func() error{
		func() error { _, err := root.RoleAdd(ctx, "root"); return err },
		func() error { _, err := root.UserAdd(ctx, "root", "root"); return err },
		func() error { _, err := root.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := root.RoleAdd(ctx, "edge"); return err },
		func() error {
			_, err := root.RoleGrantPermission(ctx, "edge", "/app/", end, clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func() error { _, err := root.UserAdd(ctx, "edge", "secret"); return err },
		func() error { _, err := root.UserGrantRole(ctx, "edge", "edge"); return err },
		func() error { _, err := root.AuthEnable(ctx); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCheckNoSpace(t *testing.T) {
	url, _ := startEtcd(t, "http", func(c *embed.Config) { c.QuotaBackendBytes = 1 })
	cli, err := Dial(t.Context(), Config{Endpoints: []string{url}}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	_, err = cli.Put(t.Context(), "k", "v")
	err = Explain(err, url)
	wants(t, err, fault.Check, "compact", "defrag", "disarm")
	if !errors.Is(err, rpctypes.ErrNoSpace) || !Retryable(err) || !OutcomeUnknown(err) {
		t.Errorf("got %v", err)
	}
	srv, err := Check(t.Context(), cli, Target)
	wants(t, err, fault.Check, "disarm")
	if len(srv.Alarms) != 1 || srv.Alarms[0] != "NOSPACE" {
		t.Errorf("alarms: %v", srv.Alarms)
	}
	if srv, err := Check(t.Context(), cli, Source); err != nil || len(srv.Warnings) != 1 {
		t.Errorf("a source without space: %+v, %v", srv, err)
	}
}

func TestBadEndpoints(t *testing.T) {
	for _, eps := range [][]string{
		nil, {""}, {"http://"}, {"127.0.0.1"}, {"ftp://a:1"}, {"http://a"}, {"http://:2379"}, {"unix://"},
		{"http://a:1", "https://a:1"}, {"http://a b:1"},
	} {
		wants(t, dialErr(t, Config{Endpoints: eps}), fault.Usage)
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]struct{ plain, auth int }{
		"3.4.41": {1, 2}, "3.4.42": {0, 1}, "3.5.27": {1, 2}, "3.5.28": {0, 1}, "3.5.33": {0, 0},
		"3.6.8": {1, 2}, "3.6.9": {0, 1}, "3.6.14": {0, 0}, "3.7.0": {0, 1}, "3.7.1": {0, 0},
		"3.7.1-rc.0": {0, 0}, "3.8.0": {0, 0}, "4.0.0": {0, 0},
	} {
		v, err := parseVersion(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if p, a := len(v.warnings(false)), len(v.warnings(true)); p != want.plain || a != want.auth {
			t.Errorf("%s: %d and %d warnings, want %+v", text, p, a, want)
		}
	}
	for _, text := range []string{"", "3", "3.4", "3.4.x", "3.4.-1", "a.b.c", "1.2.3.4"} {
		if _, err := parseVersion(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// answering is an etcd that says it is of another version.
type answering struct {
	clientv3.Maintenance
	version string
}

func (a answering) Status(ctx context.Context, endpoint string) (*clientv3.StatusResponse, error) {
	st, err := a.Maintenance.Status(ctx, endpoint)
	if err == nil {
		st.Version = a.version
	}
	return st, err
}

// An etcd below the floor of its minor version is used, with a warning that
// names the version to upgrade to; one before 3.4 is refused, and so is what
// is no etcd.
func TestCheckOfOldServers(t *testing.T) {
	url, _ := startEtcd(t, "http")
	cli, err := Dial(t.Context(), Config{Endpoints: []string{url}}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	real := cli.Maintenance
	for version, upgrade := range map[string]string{
		"3.4.41": "3.4.42", "3.5.27": "3.5.28", "3.6.8": "3.6.9", "3.4.42": "", "3.6.9": "", "3.7.0": "",
	} {
		cli.Maintenance = answering{real, version}
		for _, role := range []Role{Source, Target} {
			srv, err := Check(t.Context(), cli, role)
			if err != nil || srv.Version != version {
				t.Errorf("a %s of etcd %s is refused: %+v, %v", role, version, srv, err)
			}
			all := strings.Join(srv.Warnings, "\n")
			if (upgrade == "") != (all == "") || !strings.Contains(all, upgrade) || upgrade != "" && !strings.Contains(all, "etcd "+version) {
				t.Errorf("a %s of etcd %s has the warnings %q, want one that names %q", role, version, all, upgrade)
			}
		}
	}
	for version, words := range map[string][]string{
		"3.3.27": {"etcd 3.3.27", "too old", url, "upgrade etcd to 3.4.42"}, "2.3.8": {"too old", "source"}, "proxy": {`"proxy"`, "is an etcd"},
		"3.4.24": {"etcd 3.4.24", "skipped", "before 3.4.25", "upgrade etcd to 3.4.42"}, "3.5.7": {"before 3.5.8", "upgrade etcd to 3.5.28"},
	} {
		cli.Maintenance = answering{real, version}
		_, err := Check(t.Context(), cli, Source)
		wants(t, err, fault.Check, words...)
	}
	cli.Maintenance = answering{real, "3.5.7"}
	if srv, err := Check(t.Context(), cli, Target); err != nil || len(srv.Warnings) != 1 {
		t.Errorf("a target of etcd 3.5.7: %+v, %v", srv, err)
	}
	// Of a cluster that is being upgraded, the oldest member counts.
	cli.SetEndpoints(url, strings.Replace(url, "127.0.0.1", "localhost", 1))
	cli.Maintenance = mixed{real}
	if srv, err := Check(t.Context(), cli, Target); err != nil || srv.Version != "3.5.9" || !strings.Contains(srv.Endpoint, "localhost") {
		t.Errorf("a cluster of 3.6.9 and 3.5.9: %+v, %v", srv, err)
	}
}

// mixed is a cluster of 3.6.9 with one member of 3.5.9, localhost.
type mixed struct{ clientv3.Maintenance }

func (m mixed) Status(ctx context.Context, endpoint string) (*clientv3.StatusResponse, error) {
	version := "3.6.9"
	if strings.Contains(endpoint, "localhost") {
		version = "3.5.9"
	}
	return answering{m.Maintenance, version}.Status(ctx, endpoint)
}

func TestExplainPassesThrough(t *testing.T) {
	if Explain(nil, "x") != nil || Retryable(nil) {
		t.Error("nil is no error")
	}
	if err := Explain(context.Canceled, "x"); err != context.Canceled {
		t.Errorf("got %v", err)
	}
	known := fault.New(fault.Usage, "a", "b")
	if err := Explain(known, "x"); err != known {
		t.Errorf("got %v", err)
	}
	wants(t, Explain(context.DeadlineExceeded, "http://h:1"), fault.Unreachable, "http://h:1")
	wants(t, Explain(rpctypes.ErrNoLeader, "h"), fault.Unreachable)
	wants(t, Explain(rpctypes.ErrCorrupt, "h"), fault.Safety)
}
