package dial

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/syncer-io/syncer/replicator/fault"
)

// Explain turns an error of a call to the etcd at endpoint into one that says
// where, why, and what to try. keys are what the call touched; they are named
// when permission is missing. The cause stays in the chain. A nil error, one
// that is explained already, and a cancellation pass through.
func Explain(err error, endpoint string, keys ...string) error {
	var done *fault.Error
	if err == nil || errors.As(err, &done) || errors.Is(err, context.Canceled) {
		return err
	}
	at := fmt.Errorf("etcd at %s: %w", endpoint, err)
	for _, explain := range []func(error) (fault.Class, string){explainProbe, explainTLS, explainNet, explainLogin, explainServer} {
		if class, try := explain(err); class != 0 {
			return &fault.Error{Class: class, Err: at, Try: try}
		}
	}
	if errors.Is(err, rpctypes.ErrPermissionDenied) || status.Code(err) == codes.PermissionDenied {
		return explainDenied(err, endpoint, keys)
	}
	return at
}

func explainProbe(err error) (fault.Class, string) {
	switch {
	case errors.Is(err, errSpeaksTLS):
		return fault.Usage, "write https:// in the endpoint and set tls.ca"
	case errors.Is(err, errPlain):
		return fault.Usage, "write http:// in the endpoint and remove the tls section, or check the port"
	case errors.Is(err, errNATS):
		return fault.Usage, "the endpoints are those of etcd (usually port 2379); the NATS address belongs under hub"
	case errors.Is(err, errHTTP), errors.Is(err, errNotEtcd):
		return fault.Usage, "check the port: etcd serves clients on 2379; 2380 is for its peers"
	case errors.Is(err, errSilent):
		return fault.Unreachable, "check that etcd is running, has a leader, and that no firewall drops the traffic"
	case errors.Is(err, errHangsUp):
		return fault.Unreachable, "check the port, and whether a proxy in between has a working etcd behind it"
	case errors.Is(err, errNeedsCert):
		return fault.Refused, "set tls.cert and tls.key to a client certificate that this etcd trusts"
	case errors.Is(err, errCertDenied):
		return fault.Refused, "renew tls.cert and tls.key from the authority in etcd's --trusted-ca-file"
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
		return fault.Refused, "set tls.ca to the authority that signed etcd's certificate"
	case errors.As(err, &hostname):
		return fault.Refused, "set tls.serverName to a name in etcd's certificate"
	case errors.As(err, &invalid):
		return fault.Refused, "renew etcd's certificate, and check the clock of this machine"
	}
	return 0, ""
}

func explainNet(err error) (fault.Class, string) {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		return fault.Unreachable, "check the host name in the endpoint and the name service of this machine"
	case errors.Is(err, syscall.ECONNREFUSED):
		return fault.Unreachable, "check that etcd is running and listens on this port (--listen-client-urls)"
	case errors.Is(err, syscall.ENOENT):
		return fault.Unreachable, "check the path of the socket, and that etcd is running"
	case errors.As(err, &op), errors.Is(err, io.EOF):
		return fault.Unreachable, "check the address and the network in between"
	}
	return 0, ""
}

func explainLogin(err error) (fault.Class, string) {
	switch {
	case errors.Is(err, rpctypes.ErrAuthFailed):
		return fault.Refused, "check username and passwordFile"
	case errors.Is(err, rpctypes.ErrUserEmpty):
		return fault.Refused, "this etcd asks for a log-in: set username and passwordFile"
	case errors.Is(err, rpctypes.ErrUserNotFound):
		return fault.Refused, "the user no longer exists: check username"
	}
	return 0, ""
}

func explainServer(err error) (fault.Class, string) {
	switch {
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fault.Check, "free space: etcdctl compact REVISION, etcdctl defrag, then etcdctl alarm disarm; " +
			"and turn on auto-compaction or raise --quota-backend-bytes"
	case errors.Is(err, rpctypes.ErrCorrupt):
		return fault.Safety, "this etcd found its data corrupt: restore the member, then etcdctl alarm disarm"
	case errors.Is(err, rpctypes.ErrRequestTooLarge):
		return fault.Check, "raise --max-request-bytes at this etcd"
	case errors.Is(err, rpctypes.ErrTooManyOps):
		return fault.Check, "raise --max-txn-ops at this etcd"
	case errors.Is(err, context.DeadlineExceeded), code(err) == codes.DeadlineExceeded:
		return fault.Unreachable, "no answer in time: check that etcd is running, has a leader, and that the network lets it answer"
	case code(err) == codes.Unavailable:
		return fault.Unreachable, "check that etcd is running, has a leader, and is reachable"
	}
	return 0, ""
}

func explainDenied(err error, endpoint string, keys []string) error {
	on := ""
	if len(keys) > 0 {
		quoted := make([]string, len(keys))
		for i, k := range keys {
			quoted[i] = fmt.Sprintf("%q", k)
		}
		on = " on " + strings.Join(quoted, ", ")
	}
	return fault.New(fault.Refused, "grant the role of this user the keys: etcdctl role grant-permission ROLE readwrite PREFIX --prefix",
		"etcd at %s denies access%s: %w", endpoint, on, err)
}

// code is the gRPC code of an error of the client, which hides the status of
// the errors that it knows.
func code(err error) codes.Code {
	var known rpctypes.EtcdError
	if errors.As(err, &known) {
		return known.Code()
	}
	return status.Code(err)
}

// Retryable reports whether the same call may succeed later without anybody
// changing our configuration: the server or the network is away, busy, or the
// database is full (which ends when the operator frees space). It is false
// for the end of the caller's own context.
func Retryable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	for _, passing := range []error{
		rpctypes.ErrNoSpace, rpctypes.ErrTooManyRequests, rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Class == fault.Unreachable
	}
	if class, _ := explainNet(err); class != 0 {
		return true
	}
	return OutcomeUnknown(err)
}

// OutcomeUnknown reports whether a write that failed with err may have taken
// effect all the same. A full database counts: the write that crosses the
// quota is applied, and answered as if it were not.
func OutcomeUnknown(err error) bool {
	switch code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Internal, codes.Aborted:
		return true
	}
	return errors.Is(err, rpctypes.ErrNoSpace) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
