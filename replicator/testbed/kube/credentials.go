package kube

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// Kubeconfig is the file with which an administrator reaches the control plane.
func (p *Plane) Kubeconfig() string { return p.path("kubeconfig") }

// writeCredentials makes the administrator's token, the kubeconfig with it, and
// the key that signs the tokens of service accounts.
func (p *Plane) writeCredentials(address string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("make the key of service accounts: %w", err)
	}
	return errors.Join(
		p.write("accounts.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		p.write("tokens.csv", []byte(token+",admin,admin,system:masters\n")),
		p.write("kubeconfig", fmt.Appendf(nil, kubeconfig, "https://"+address, token)),
	)
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters:
  - {name: plane, cluster: {server: %q, insecure-skip-tls-verify: true}}
users:
  - {name: admin, user: {token: %s}}
contexts:
  - {name: plane, context: {cluster: plane, user: admin}}
current-context: plane
`

// writeRootCA writes the certificate that signed the API server's own: the last
// one in its file. The first is not that of a CA, and the controller that
// publishes root certificates refuses it.
func (p *Plane) writeRootCA() error {
	rest, err := os.ReadFile(p.path("certs/apiserver.crt"))
	if err != nil {
		return fmt.Errorf("read the certificate of the API server: %w", err)
	}
	var last *pem.Block
	for block, more := pem.Decode(rest); block != nil; block, more = pem.Decode(more) {
		last = block
	}
	if last == nil {
		return fmt.Errorf("read %s: it holds no certificate", p.path("certs/apiserver.crt"))
	}
	return p.write("ca.crt", pem.EncodeToMemory(last))
}

func (p *Plane) write(name string, text []byte) error {
	if err := os.WriteFile(p.path(name), text, 0o600); err != nil {
		return fmt.Errorf("write the credentials of a control plane: %w", err)
	}
	return nil
}
