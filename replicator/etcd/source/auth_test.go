package source

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/testbed"
)

const password = "a password"

// guarded is an etcd with TLS, client certificates and users: root, "all" who
// may read a/ to d, and "part" who may read a/ only.
func guarded(t *testing.T) (dialAs func(user string) *clientv3.Client, root *clientv3.Client) {
	dir := t.TempDir()
	certFile, keyFile := certificate(t, dir)
	cfg := embed.NewConfig()
	cfg.Dir = filepath.Join(dir, "data")
	cfg.UnsafeNoFsync = true
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	cfg.TickMs, cfg.ElectionMs = 20, 200
	address, err := testbed.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	cfg.ListenClientUrls = []url.URL{{Scheme: "https", Host: address}}
	cfg.AdvertiseClientUrls = cfg.ListenClientUrls
	cfg.ListenPeerUrls = []url.URL{peerURL(t)}
	cfg.AdvertisePeerUrls = cfg.ListenPeerUrls
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.ClientTLSInfo = transport.TLSInfo{CertFile: certFile, KeyFile: keyFile, TrustedCAFile: certFile, ClientCertAuth: true}
	server, err := embed.StartEtcd(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	<-server.Server.ReadyNotify()
	passwordFile := filepath.Join(dir, "password")
	if err := os.WriteFile(passwordFile, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dialAs = func(user string) *clientv3.Client {
		cfg := dial.Config{Endpoints: []string{"https://" + address}, TLS: &dial.TLS{CA: certFile, Cert: certFile, Key: keyFile}}
		if user != "" {
			cfg.Username, cfg.PasswordFile = user, passwordFile
		}
		cli, err := dial.Dial(testContext(t), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := cli.Close(); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("close the client: %v", err)
			}
		})
		return cli
	}
	setUsers(t, dialAs(""))
	return dialAs, dialAs("root")
}

func peerURL(t *testing.T) url.URL {
	t.Helper()
	address, err := testbed.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return url.URL{Scheme: "http", Host: address}
}

func setUsers(t *testing.T, cli *clientv3.Client) {
	t.Helper()
	ctx := testContext(t)
	_, err := cli.UserAdd(ctx, "root", password)
	errs := []error{err}
	step := func(err error) { errs = append(errs, err) }
	_, err = cli.UserGrantRole(ctx, "root", "root")
	step(err)
	for user, end := range map[string]string{"all": "d", "part": "a0"} {
		_, err = cli.UserAdd(ctx, user, password)
		step(err)
		_, err = cli.RoleAdd(ctx, user)
		step(err)
		_, err = cli.RoleGrantPermission(ctx, user, "a/", end, clientv3.PermissionType(clientv3.PermRead))
		step(err)
		_, err = cli.UserGrantRole(ctx, user, user)
		step(err)
	}
	_, err = cli.AuthEnable(ctx)
	step(err)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// certificate writes a certificate that is its own authority.
func certificate(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestReadsAndWatchesWithTLSAndAUser(t *testing.T) {
	dialAs, root := guarded(t)
	s := newTestSource(dialAs("all"), Options{}, "a/", "c/")
	f := startFollowing(t, s, 1, nil)
	last := commit(t, root, clientv3.OpPut("a/1", "x"), clientv3.OpPut("b", "outside"), clientv3.OpPut("c/1", "y"))
	if got := f.reach(last); len(got) != 1 || len(got[0].Events) != 2 {
		t.Fatalf("watched %s", text(got))
	}
	if items, _, err := s.Read(testContext(t), aRange); err != nil || len(items) != 1 {
		t.Fatalf("read %v: %v", items, err)
	}
}

// Permission for a part of the selection is an error everywhere, and the part
// that is missing never looks empty.
func TestPartOfThePermissionIsAnError(t *testing.T) {
	dialAs, root := guarded(t)
	last := commit(t, root, clientv3.OpPut("a/1", "x"), clientv3.OpPut("c/1", "y"))
	s := newTestSource(dialAs("part"), Options{}, "a/", "c/")
	ctx := testContext(t)
	all := s.sel.covering()
	calls := map[string]func() error{
		"Current": func() error { _, err := s.Current(ctx); return err },
		"Watch":   func() error { return s.Watch(ctx, last, nil) },
		"Scan":    func() error { _, _, err := s.Scan(ctx, all, nil); return err },
		"Keys":    func() error { _, err := s.Keys(ctx, all, nil); return err },
		"Read":    func() error { _, _, err := s.Read(ctx, all); return err },
		"Fetch":   func() error { return s.Fetch(ctx, [][]byte{[]byte("a/1"), []byte("c/1")}, nil) },
	}
	for name, call := range calls {
		err := call()
		if !errors.Is(err, rpctypes.ErrPermissionDenied) || fault.ExitCode(err) != int(fault.Refused) || fault.Try(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// etcd goes on serving a watch whose permission was taken away. The next
// stream is refused.
func TestRevokedPermissionEndsTheNextStream(t *testing.T) {
	dialAs, root := guarded(t)
	s := newTestSource(dialAs("all"), Options{MaxBytes: 1}, "a/", "c/")
	proceed := make(chan struct{})
	first := put(t, root, "a/1", "x")
	f := startFollowing(t, s, first, func(Batch) error {
		<-proceed
		return nil
	})
	f.reach(first)
	if _, err := root.RoleRevokePermission(testContext(t), "all", "a/", "d"); err != nil {
		t.Fatal(err)
	}
	put(t, root, "a/1", "y") // overflows the queue of one byte
	put(t, root, "a/1", "z")
	close(proceed)
	if err := f.end(); !errors.Is(err, rpctypes.ErrPermissionDenied) {
		t.Fatalf("got %v", err)
	}
}
