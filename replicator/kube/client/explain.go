package client

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/syncer-io/syncer/replicator/fault"
)

// Explain turns an error of a request into one that says where, why, and what to
// try. The cause stays in the chain. A nil error, one that is explained already,
// and a cancellation pass through; so does what says something about one object
// and not about the server, but for missing rights.
func (c *Client) Explain(err error) error {
	var done *fault.Error
	if err == nil || errors.As(err, &done) || errors.Is(err, context.Canceled) {
		return err
	}
	at := fmt.Errorf("the API server at %s: %w", c.Host, err)
	if rule, ok := MissingRule(err); ok {
		return &fault.Error{Class: fault.Refused, Err: at, Try: rule.Remedy()}
	}
	for _, explain := range []func(error) (fault.Class, string){explainLogin, explainTLS, explainNet, explainServer} {
		if class, try := explain(err); class != 0 {
			return &fault.Error{Class: class, Err: at, Try: try}
		}
	}
	return err
}

func explainLogin(err error) (fault.Class, string) {
	if apierrors.IsUnauthorized(err) {
		return fault.Refused, "the credentials are missing, wrong or expired: log in again, or write a new kubeconfig"
	}
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "system:anonymous") {
		return fault.Refused, "the kubeconfig has no credentials that this server knows: log in, or write a new one"
	}
	return 0, ""
}

func explainTLS(err error) (fault.Class, string) {
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &unknown):
		return fault.Refused, "put the authority of the server's certificate into certificate-authority-data of the kubeconfig"
	case errors.As(err, &hostname):
		return fault.Refused, "use a name of the server's certificate in the kubeconfig, or set tls-server-name there"
	case errors.As(err, &invalid):
		return fault.Refused, "renew the server's certificate, and check the clock of this machine"
	case strings.Contains(err.Error(), "remote error: tls: "):
		return fault.Refused, "the server does not take the client certificate: renew it in the kubeconfig"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fault.Usage, "write http:// in the kubeconfig, or check the port"
	}
	return 0, ""
}

func explainNet(err error) (fault.Class, string) {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		return fault.Unreachable, "check the host name in the kubeconfig and the name service of this machine"
	case errors.Is(err, syscall.ECONNREFUSED):
		return fault.Unreachable, "check that the API server is running and listens on this port"
	case errors.As(err, &op), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), utilnet.IsConnectionReset(err),
		errors.Is(err, context.DeadlineExceeded), utilnet.IsTimeout(err):
		return fault.Unreachable, "check that the API server is running and the way to it: kubectl get --raw /readyz"
	}
	return 0, ""
}

func explainServer(err error) (fault.Class, string) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return 0, ""
	}
	switch code := status.Status().Code; {
	case apierrors.IsTooManyRequests(err):
		return fault.Unreachable, "the server is busy; give the user of this process a FlowSchema of its own if that lasts"
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err), code == http.StatusServiceUnavailable, code == http.StatusBadGateway, code == http.StatusGatewayTimeout,
		strings.Contains(err.Error(), "etcdserver: ") && !strings.Contains(err.Error(), "request is too large"):
		return fault.Unreachable, "look at the API server and its etcd: kubectl get --raw '/readyz?verbose'"
	}
	return 0, ""
}

// Transient reports whether an error says nothing about what was asked for: the
// server was not reached, did not let us in, or had no time. The same request
// may succeed later.
func Transient(err error) bool {
	for _, explain := range []func(error) (fault.Class, string){explainLogin, explainTLS, explainNet, explainServer} {
		if class, _ := explain(err); class != 0 {
			return true
		}
	}
	return false
}
