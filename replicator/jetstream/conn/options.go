package conn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/replicator/fault"
)

// Options say where the hub is and who connects. The zero value of every field
// but URLs and InProcess is usable.
type Options struct {
	URLs      []string                   // nats://host:port, tls://, ws://, wss://
	InProcess nats.InProcessConnProvider // instead of URLs

	// Who connects; at most one of the two. A credentials file holds an nkey
	// seed or is a NATS .creds file, and must be readable by its owner only.
	CredentialsFile string
	Seed            []byte // an nkey seed; copied

	TLS         TLS
	Name        string // of the connection, in the hub's logs and in refusals
	InboxPrefix string // private inbox of this connection; default _INBOX

	// KeepTrying makes Connect return at once and connect in the background
	// when the hub cannot be reached, as a daemon wants it. Credentials and
	// certificates that cannot be read are still errors.
	KeepTrying bool

	Timeout      time.Duration // of one connection attempt; default 5 s
	PingInterval time.Duration // default 15 s; two lost pings end the connection
	JitterMax    time.Duration // most of the random wait between attempts; default 5 s
	Logger       *slog.Logger  // default: discard
	Violations   *Violations   // learns what the hub refuses; may be nil
}

// TLS names PEM files. The zero value uses TLS only when the hub asks for it,
// and then trusts the system's authorities.
type TLS struct {
	CA         string // authorities of the hub's certificate
	Cert, Key  string // this side's certificate, when the hub asks for one
	ServerName string // name in the hub's certificate, when it differs from the URL's
}

// IsZero reports whether nothing is set.
func (t TLS) IsZero() bool { return t == TLS{} }

// Config reads the files.
func (t TLS) Config() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fault.New(fault.Usage, "set tls.ca to a readable PEM file", "hub tls.ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Usage, "set tls.ca to a PEM file with CERTIFICATE blocks",
				"hub tls.ca: %s holds no certificate", t.CA)
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, fault.New(fault.Usage, "set tls.cert and tls.key together", "hub tls: only one of cert and key is set")
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fault.New(fault.Usage, "set tls.cert and tls.key to a matching pair of PEM files",
				"hub tls.cert %s, tls.key %s: %w", t.Cert, t.Key, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.PingInterval == 0 {
		o.PingInterval = 15 * time.Second
	}
	if o.JitterMax == 0 {
		o.JitterMax = 5 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	if o.InProcess == nil && len(o.URLs) == 0 {
		return fault.New(fault.Usage, "set the hub's address, such as nats://hub.example:4222", "no hub address is given")
	}
	if o.CredentialsFile != "" && len(o.Seed) > 0 {
		return errors.New("connect to the hub: both a credentials file and a seed are given")
	}
	for _, raw := range o.URLs {
		if err := checkURL(raw); err != nil {
			return fault.New(fault.Usage, "write it as nats://host:port", "hub address %q: %w", raw, err)
		}
	}
	return nil
}

func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.Unwrap(err) // without the address, which may hold a password
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
	case "http", "https":
		return fmt.Errorf("%s:// is not how a hub is reached", u.Scheme)
	default:
		return errors.New("it has no scheme that a hub speaks (nats, tls, ws, wss)")
	}
	if u.Hostname() == "" {
		return errors.New("it names no host")
	}
	if u.User != nil {
		return errors.New("it holds credentials; put them into a file and name the file")
	}
	return nil
}

// place names the hub in messages.
func (o Options) place() string {
	if o.InProcess != nil {
		return "in process"
	}
	return joinURLs(o.URLs)
}
