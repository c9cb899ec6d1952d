package kube

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"

	"github.com/syncer-io/syncer/replicator/testbed"
)

const token = "admin-token"

func (p *Plane) path(name string) string { return filepath.Join(p.dir, name) }

func (p *Plane) startAPIServer(ctx context.Context, further []string) error {
	address, err := testbed.FreeAddress()
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("read %s: %w", address, err)
	}
	if err := p.writeSecrets(); err != nil {
		return err
	}
	err = p.run("kube-apiserver", append([]string{
		"--etcd-servers=" + p.Etcd.Endpoint(),
		"--bind-address=127.0.0.1", "--secure-port=" + port,
		"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", // a loopback address is no endpoint
		"--cert-dir=" + p.path("certs"),
		"--token-auth-file=" + p.path("tokens.csv"),
		"--authorization-mode=Node,RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + p.path("accounts.pem"),
		"--service-account-signing-key-file=" + p.path("accounts.pem"),
		"--service-cluster-ip-range=10.96.0.0/16",
	}, further...)...)
	if err != nil {
		return err
	}
	p.Config = &rest.Config{
		Host:            "https://" + address,
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{Insecure: true},
		QPS:             -1, // the server's own fairness is enough
	}
	if p.client, err = newClient(p.Config); err != nil {
		return err
	}
	return p.await(ctx, "wait for the API server", p.client.ready)
}

// writeSecrets makes the administrator's token and the key of service
// accounts.
func (p *Plane) writeSecrets() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(p.path("accounts.pem"), block, 0o600); err != nil {
		return fmt.Errorf("write the key of service accounts: %w", err)
	}
	if err := os.WriteFile(p.path("tokens.csv"), []byte(token+",admin,admin,system:masters\n"), 0o600); err != nil {
		return fmt.Errorf("write the tokens: %w", err)
	}
	return nil
}

// rootCA is the certificate that signed the API server's own: the last one in
// its file.
func (p *Plane) rootCA() error {
	rest, err := os.ReadFile(p.path("certs/apiserver.crt"))
	if err != nil {
		return fmt.Errorf("read the certificate of the API server: %w", err)
	}
	var last *pem.Block
	for block, more := pem.Decode(rest); block != nil; block, more = pem.Decode(more) {
		last = block
	}
	if err := os.WriteFile(p.path("ca.crt"), pem.EncodeToMemory(last), 0o600); err != nil {
		return fmt.Errorf("write the root certificate: %w", err)
	}
	return nil
}
