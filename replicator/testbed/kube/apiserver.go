package kube

import (
	"context"
	"fmt"
	"net"

	"k8s.io/client-go/rest"

	"github.com/syncer-io/syncer/replicator/testbed"
)

const token = "admin-token"

func (p *Plane) startAPIServer(ctx context.Context, further []string) error {
	address, err := testbed.FreeAddress()
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("read the address %s: %w", address, err)
	}
	if err := p.writeCredentials(address); err != nil {
		return err
	}
	err = p.run("kube-apiserver", append([]string{
		"--etcd-servers=" + p.Etcd.Endpoint(),
		"--bind-address=127.0.0.1", "--secure-port=" + port,
		"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", // a loopback address is no endpoint
		"--cert-dir=" + p.path("certs"), // the server makes a pair of its own
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
		QPS:             -1,                // the server's own fairness is enough
		WarningHandler:  rest.NoWarnings{}, // deprecated versions are wanted
	}
	if p.client, err = newClient(p.Config); err != nil {
		return err
	}
	return p.Await(ctx, "the API server", p.client.ready)
}
