package conn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/replicator/fault"
)

// explain turns the error of a first connection attempt into one an operator
// can act on. When the error alone does not say, it looks at what answers at
// the address.
func (o Options) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.New(fault.Unreachable, "see that the hub runs and that this host reaches it",
			"connect to the hub at %s: no connection in the time allowed: %w", o.place(), context.Cause(ctx))
	}
	if f := o.known(err); f != nil {
		return f
	}
	for _, raw := range o.URLs {
		if cause, try := probe(ctx, raw).remedy(); cause != "" {
			return fault.New(fault.Unreachable, try, "connect to the hub at %s: %s: %w", redact(raw), cause, err)
		}
	}
	return o.unknown(err)
}

// classify is explain without looking at the network.
func (o Options) classify(err error) error {
	if f := o.known(err); f != nil {
		return f
	}
	return o.unknown(err)
}

func (o Options) unknown(err error) error {
	return fault.New(fault.Unreachable, "see that the hub runs and that this host reaches it",
		"connect to the hub at %s: %w", o.place(), err)
}

// known is nil when the error does not say what to do.
func (o Options) known(err error) error {
	if isAuth(err) {
		return o.authError(err)
	}
	if cause, try := tlsRemedy(err, o.TLS); cause != "" {
		return fault.New(fault.Refused, try, "connect to the hub at %s: %s: %w", o.place(), cause, err)
	}
	return nil
}

func isAuth(err error) bool {
	for _, target := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired, nats.ErrNkeysNotSupported} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func (o Options) authError(err error) error {
	switch {
	case errors.Is(err, nats.ErrNkeysNotSupported):
		return fault.New(fault.Refused, "check the address, or use the credentials that this hub's operator gives out",
			"connect to the hub at %s: this NATS server does not know keys, so it is not the hub that made these credentials: %w", o.place(), err)
	case o.CredentialsFile == "" && len(o.Seed) == 0:
		return fault.New(fault.Refused, "name a credentials file: the hub's own is admin.nk in its data directory",
			"connect to the hub at %s: it wants credentials and none are configured: %w", o.place(), err)
	default:
		return fault.New(fault.Refused, "see that the address is of the hub that made them; if the pair was removed, run: syncer pair create, then syncer join",
			"connect to the hub at %s: it refused the credentials%s: %w", o.place(), o.credentialsPlace(), err)
	}
}

func (o Options) credentialsPlace() string {
	if o.CredentialsFile == "" {
		return ""
	}
	return " of " + o.CredentialsFile
}

// tlsRemedy is empty when the error is not about TLS.
func tlsRemedy(err error, set TLS) (cause, try string) {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "the hub does not speak TLS, and TLS is configured here", "start the hub with a certificate, or remove tls and write nats:// here"
	case errors.As(err, &authority):
		if set.CA == "" {
			return "the hub uses TLS and its certificate's authority is not known here", "set tls.ca to the authority of the hub's certificate"
		}
		return "the hub's certificate was not issued by the authority in " + set.CA, "set tls.ca to the authority of the hub's certificate"
	case errors.As(err, &host):
		return "the hub's certificate is for another name", "use a name that is in the certificate, or set tls.serverName"
	case errors.As(err, &invalid):
		return "the hub's certificate is not valid", "renew the hub's certificate, and see that this host's clock is right"
	case errors.As(err, &record):
		return "the other side does not speak TLS", "check the address and the port"
	case strings.Contains(err.Error(), "remote error: tls:"), strings.Contains(err.Error(), "after TLS handshake"):
		// TLS 1.3 judges this side's certificate only after the handshake; the
		// alert may be lost when the connection closes.
		if set.Cert == "" {
			return "the hub wants a certificate of this side", "set tls.cert and tls.key"
		}
		return "the hub refused this side's certificate " + set.Cert, "use a certificate of the authority that the hub trusts"
	}
	return "", ""
}
