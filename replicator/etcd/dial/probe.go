package dial

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// What answers at a place where an etcd was expected.
var (
	errSpeaksTLS  = errors.New("it speaks TLS, and was addressed in plain text")
	errPlain      = errors.New("it speaks plain text, and was addressed with TLS")
	errNATS       = errors.New("it is a NATS server")
	errHTTP       = errors.New("it is an HTTP server that does not speak gRPC")
	errNotEtcd    = errors.New("it does not speak gRPC")
	errSilent     = errors.New("it takes the connection but does not answer")
	errHangsUp    = errors.New("it hangs up without a word")
	errNeedsCert  = errors.New("it asks for a client certificate")
	errCertDenied = errors.New("it does not accept our client certificate")
)

// hello is what an HTTP/2 client says first: the preface and empty settings.
const hello = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"

// probe opens a connection as a gRPC client does and looks at the first bytes
// of the answer. The etcd client itself waits in silence for a connection and
// reports only that time ran out.
func probe(ctx context.Context, ep endpoint, tlsCfg *tls.Config, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := knock(ctx, ep, tlsCfg)
	if !errors.Is(err, errHangsUp) {
		return err
	}
	// etcd hangs up on those that mistake TLS for plain text, or the other
	// way round: see whether that is the reason.
	other, verdict := ep, errPlain
	if other.secure = !ep.secure; other.secure {
		verdict = errSpeaksTLS
	}
	var speaksTLS *tls.CertificateVerificationError
	oerr := knock(ctx, other, &tls.Config{MinVersion: tls.VersionTLS12})
	if oerr == nil || errors.As(oerr, &speaksTLS) || errors.Is(oerr, errNeedsCert) {
		return verdict
	}
	return err
}

// knock does it once.
func knock(ctx context.Context, ep endpoint, tlsCfg *tls.Config) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, ep.network, ep.addr)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		stop()
		_ = conn.Close()
	}()
	if !ep.secure {
		return greet(ctx, conn)
	}
	return greetTLS(ctx, conn, ep, tlsCfg)
}

func greetTLS(ctx context.Context, conn net.Conn, ep endpoint, tlsCfg *tls.Config) error {
	tlsCfg = tlsCfg.Clone()
	tlsCfg.NextProtos = []string{"h2"}
	if tlsCfg.ServerName == "" {
		tlsCfg.ServerName = ep.host
	}
	tc := tls.Client(conn, tlsCfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		var record tls.RecordHeaderError
		if errors.As(err, &record) {
			return fmt.Errorf("%w: %w", errPlain, err)
		}
		return fmt.Errorf("TLS: %w", silence(ctx, alert(err)))
	}
	return greet(ctx, tc)
}

// greet says hello and judges the answer.
func greet(ctx context.Context, conn net.Conn) error {
	if _, err := io.WriteString(conn, hello); err != nil {
		return silence(ctx, alert(err))
	}
	head := make([]byte, 5)
	n, err := io.ReadFull(conn, head)
	if verdict := judge(head[:n]); !errors.Is(verdict, errNotEtcd) || n == len(head) {
		return verdict
	}
	return silence(ctx, alert(err))
}

// judge tells what a server is from its first bytes. An etcd answers with an
// HTTP/2 settings frame, whose fourth and fifth bytes are type and flags.
func judge(head []byte) error {
	switch {
	case len(head) >= 4 && head[0] == 0 && head[3] == 4:
		return nil
	case len(head) >= 2 && (head[0] == 0x15 || head[0] == 0x16) && head[1] == 3:
		return errSpeaksTLS
	case bytes.HasPrefix(head, []byte("HTTP")):
		return errHTTP
	case bytes.HasPrefix(head, []byte("INFO")):
		return errNATS
	default:
		return errNotEtcd
	}
}

// silence names a connection that ended without an answer.
func silence(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
		return errSilent
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errHangsUp
	default:
		return err
	}
}

// The TLS alerts of RFC 8446 by which a server refuses us.
const (
	alertBadCertificate      = tls.AlertError(42)
	alertUnsupportedCert     = tls.AlertError(43)
	alertCertificateRevoked  = tls.AlertError(44)
	alertCertificateExpired  = tls.AlertError(45)
	alertCertificateUnknown  = tls.AlertError(46)
	alertUnknownCA           = tls.AlertError(48)
	alertCertificateRequired = tls.AlertError(116)
	alertNoProtocol          = tls.AlertError(120)
)

// alert names the refusals of a client. crypto/tls wraps alerts
// from the wire in a type of its own, so that their text is all there is.
func alert(err error) error {
	var op *net.OpError
	if err == nil || !errors.As(err, &op) || op.Op != "remote error" {
		return err
	}
	switch op.Err.Error() {
	case alertCertificateRequired.Error():
		return fmt.Errorf("%w: %w", errNeedsCert, err)
	case alertNoProtocol.Error():
		return fmt.Errorf("%w: %w", errNotEtcd, err)
	}
	for _, a := range []tls.AlertError{
		alertBadCertificate, alertUnsupportedCert, alertCertificateRevoked, alertCertificateExpired,
		alertCertificateUnknown, alertUnknownCA,
	} {
		if op.Err.Error() == a.Error() {
			return fmt.Errorf("%w: %w", errCertDenied, err)
		}
	}
	return err
}
