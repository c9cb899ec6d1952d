package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/syncer-io/syncer/filter/strictyaml"
)

// writeCertificate writes a self-signed certificate for localhost that is its
// own authority.
func writeCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "CERTIFICATE", der), writePEM(t, "PRIVATE KEY", pkcs8)
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTLSConfigsOfBothSidesMeet(t *testing.T) {
	cert, key := writeCertificate(t)
	server, err := (&ServerTLS{Cert: cert, Key: key, CA: cert}).Config()
	if err != nil {
		t.Fatal(err)
	}
	client, err := (&TLS{CA: cert, Cert: cert, Key: key, ServerName: "localhost"}).Config()
	if err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, client, server); err != nil {
		t.Error(err)
	}
	anonymous, err := (&TLS{CA: cert, ServerName: "localhost"}).Config()
	if err != nil {
		t.Fatal(err)
	}
	if handshake(t, anonymous, server) == nil {
		t.Error("the server accepts a client without a certificate")
	}
}

// handshake gives the server's error.
func handshake(t *testing.T, client, server *tls.Config) error {
	t.Helper()
	a, b := net.Pipe()
	defer func() { _ = a.Close() }()
	done := make(chan error, 1)
	go func() {
		done <- tls.Server(b, server).Handshake()
		_ = b.Close()
	}()
	c := tls.Client(a, client)
	_ = c.Handshake()              // the server's view decides
	_, _ = c.Read(make([]byte, 1)) // takes the server's last message, until it closes
	return <-done
}

func TestNoTLSGivesNoConfig(t *testing.T) {
	client, err := (*TLS)(nil).Config()
	if client != nil || err != nil {
		t.Errorf("got %v, %v", client, err)
	}
	server, err := (*ServerTLS)(nil).Config()
	if server != nil || err != nil {
		t.Errorf("got %v, %v", server, err)
	}
}

func TestChecksAcceptGoodFiles(t *testing.T) {
	cert, key := writeCertificate(t)
	var r strictyaml.Report
	doc := strictyaml.Unplaced(&r, "test")
	checkTLS(doc, &TLS{CA: cert, Cert: cert, Key: key}, "tls")
	checkServerTLS(doc, &ServerTLS{Cert: cert, Key: key}, "tls")
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

func TestPassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("two words \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := (Etcd{User: "root", PasswordFile: file}).Password(); got != "two words " || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := (Etcd{}).Password(); got != "" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := (Etcd{User: "root", PasswordFile: file + ".none"}).Password(); err == nil {
		t.Error("a missing file gives a password")
	}
}
