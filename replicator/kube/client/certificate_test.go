package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/fault"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, key: key}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, key.Public(), key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// issue gives a certificate and its key, as they stand in a kubeconfig and as a
// server has them. host is "" for a client.
func (a *authority) issue(host string, until time.Duration) (cert, key string, pair tls.Certificate) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "someone"},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(until),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		c.IPAddresses = []net.IP{ip}
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, a.cert, private.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if pair, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		a.t.Fatal(err)
	}
	encode := base64.StdEncoding.EncodeToString
	return encode(certPEM), encode(keyPEM), pair
}

// A kubeconfig lives as long as the certificates in it: kubeadm's expire after a
// year.
func TestWhatIsWrongWithCertificatesIsSaid(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	for what, c := range map[string]struct {
		trusted   *authority
		host      string
		server    time.Duration // until its certificate expires
		client    time.Duration
		text, try string
	}{
		"good":                       {ours, "127.0.0.1", time.Hour, time.Hour, "", ""},
		"the kubeconfig has expired": {ours, "127.0.0.1", time.Hour, -time.Hour, "tls: ", "renew it in the kubeconfig"},
		"the server's has expired":   {ours, "127.0.0.1", -time.Hour, time.Hour, "expired", "renew the server's certificate"},
		"of another authority":       {theirs, "127.0.0.1", time.Hour, time.Hour, "unknown authority", "certificate-authority-data"},
		"of another host":            {ours, "127.0.0.9", time.Hour, time.Hour, "127.0.0.9", "tls-server-name"},
	} {
		t.Run(what, func(t *testing.T) {
			err := connect(t, Config{Kubeconfig: write(t, withCertificates(t, ours, c.trusted, c.host, c.server, c.client))})
			if c.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wants(t, what, err, fault.Refused, c.text, c.try)
		})
	}
}

// withCertificates starts a server and gives a kubeconfig for it.
func withCertificates(t *testing.T, ours, trusted *authority, host string, server, client time.Duration) string {
	t.Helper()
	_, _, pair := ours.issue(host, server)
	clients := x509.NewCertPool()
	clients.AddCert(ours.cert)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"major":"1","minor":"37","gitVersion":"v1.37.2"}`))
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	cert, key, _ := ours.issue("", client)
	root := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted.cert.Raw}))
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: u, user: {client-certificate-data: %s, client-key-data: %s}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, s.URL, root, cert, key)
}
