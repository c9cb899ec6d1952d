package dial

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/syncer-io/syncer/replicator/fault"
)

// Config says how to reach one etcd cluster.
type Config struct {
	// Endpoints are URLs (http, https, unix, unixs) or host:port of the
	// members. Without a scheme TLS decides between https and http.
	Endpoints []string
	// TLS is nil for plain connections, and for https with the system's
	// certificate authorities and no client certificate.
	TLS *TLS
	// Username and PasswordFile belong together. A line break at the end of
	// the file is not part of the password.
	Username     string
	PasswordFile string
	// Timeout bounds the probe of each endpoint and the log-in; 0 is 5 s.
	Timeout time.Duration
	// Window is how many bytes of a response may arrive ahead of the reader;
	// 0 lets the client measure how many keep the line busy, up to 16 MiB.
	Window int32
}

// TLS names PEM files. Cert and Key belong together and are read again at
// every handshake, so that a renewed certificate needs no restart.
type TLS struct {
	CA         string // empty: the system's certificate authorities
	Cert, Key  string // empty: no client certificate
	ServerName string // empty: the host of the endpoint
}

const defaultTimeout = 5 * time.Second

func (c Config) timeout() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return defaultTimeout
}

// endpoint is one address of the cluster, taken apart.
type endpoint struct {
	url     string // as clientv3 wants it
	network string // tcp or unix
	addr    string
	host    string // for the certificate
	secure  bool
}

// endpoints normalises and checks the endpoints of the configuration.
func (c Config) endpoints() ([]endpoint, error) {
	if len(c.Endpoints) == 0 {
		return nil, fault.New(fault.Usage, "set endpoints, for example [https://127.0.0.1:2379]",
			"no etcd endpoint is configured")
	}
	out := make([]endpoint, 0, len(c.Endpoints))
	for _, raw := range c.Endpoints {
		ep, err := c.endpoint(raw)
		if err != nil {
			return nil, err
		}
		if len(out) > 0 && ep.secure != out[0].secure {
			return nil, fault.New(fault.Usage, "use https for all endpoints, or http for all",
				"etcd endpoints %s and %s differ in TLS", out[0].url, ep.url)
		}
		out = append(out, ep)
	}
	return out, nil
}

func (c Config) endpoint(raw string) (endpoint, error) {
	text := raw
	if !strings.Contains(text, "://") {
		scheme := "http://"
		if c.TLS != nil {
			scheme = "https://"
		}
		text = scheme + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return endpoint{}, badEndpoint(raw, err)
	}
	ep := endpoint{url: text, network: "tcp", addr: u.Host, host: u.Hostname()}
	switch u.Scheme {
	case "http":
	case "https":
		ep.secure = true
	case "unix", "unixs":
		ep.network, ep.secure = "unix", u.Scheme == "unixs"
		ep.addr, ep.host = u.Host+u.Path, "localhost"
	default:
		return endpoint{}, badEndpoint(raw, fmt.Errorf("unknown scheme %q", u.Scheme))
	}
	if ep.network == "tcp" && (ep.host == "" || u.Port() == "") {
		return endpoint{}, badEndpoint(raw, errors.New("host or port is missing"))
	}
	if ep.addr == "" {
		return endpoint{}, badEndpoint(raw, errors.New("the path of the socket is missing"))
	}
	if c.TLS != nil && !ep.secure {
		return endpoint{}, fault.New(fault.Usage, "write https:// in the endpoint, or remove the tls section",
			"etcd endpoint %s is plain text although tls is configured", raw)
	}
	return ep, nil
}

func badEndpoint(raw string, err error) error {
	return fault.New(fault.Usage, "write endpoints like https://127.0.0.1:2379", "etcd endpoint %q: %w", raw, err)
}

// password reads the password file; it is empty without a user.
func (c Config) password() (string, error) {
	if c.Username == "" && c.PasswordFile == "" {
		return "", nil
	}
	if c.Username == "" || c.PasswordFile == "" {
		return "", fault.New(fault.Usage, "set both username and passwordFile, or neither",
			"etcd log-in needs a user and a password file")
	}
	b, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", fault.New(fault.Usage, "check passwordFile and its permissions", "etcd password: %w", err)
	}
	password := strings.TrimRight(string(b), "\r\n")
	if password == "" {
		return "", fault.New(fault.Usage, "write the password into the file", "etcd password file %s is empty", c.PasswordFile)
	}
	return password, nil
}

// tls is the configuration of the client, or nil when no endpoint is secure.
func (c Config) tls(secure bool) (*tls.Config, error) {
	if !secure {
		return nil, nil
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLS == nil {
		return out, nil
	}
	out.ServerName = c.TLS.ServerName
	if c.TLS.CA != "" {
		pool, err := readPool(c.TLS.CA)
		if err != nil {
			return nil, err
		}
		out.RootCAs = pool
	}
	return out, c.TLS.present(out)
}

func readPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.New(fault.Usage, "check tls.ca and its permissions", "etcd certificate authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault.New(fault.Usage, "tls.ca must be a PEM file with at least one certificate",
			"etcd certificate authority %s holds no certificate", file)
	}
	return pool, nil
}

// present makes the client show its certificate, if it has one.
func (t *TLS) present(out *tls.Config) error {
	if t.Cert == "" && t.Key == "" {
		return nil
	}
	cert, key := t.Cert, t.Key
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fault.New(fault.Usage, "check tls.cert and tls.key: both PEM, belonging together, readable",
				"etcd client certificate: %w", err)
		}
		return &pair, nil
	}
	if _, err := load(); err != nil {
		return err
	}
	out.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return nil
}
