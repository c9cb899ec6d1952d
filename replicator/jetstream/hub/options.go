package hub

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
)

// DefaultListen is where a hub listens unless told otherwise: loopback only.
const DefaultListen = "127.0.0.1:4222"

// Options say where the hub lives. Only DataDir is needed.
type Options struct {
	DataDir string // created with mode 0700 when missing
	Listen  string // host:port; default DefaultListen; port 0 takes a free one

	// TLS is this side's certificate (Cert and Key). CA, when set, is the
	// authority that clients' certificates must come from, and makes them
	// required. ServerName is not used.
	TLS conn.TLS

	MaxBytes  int64 // of all streams on disk; default 10 GiB
	MaxMemory int64 // of all streams and consumers kept in memory; default 256 MiB

	PingInterval time.Duration    // default 20 s
	Logger       *slog.Logger     // default: discard
	Now          func() time.Time // default time.Now; decides when tokens expire

	free func(dir string) (uint64, error) // disk space; nil asks the system
}

// MaxPayload is the largest message that the hub takes, in bytes.
const MaxPayload = 1 << 20

func (o Options) withDefaults() Options {
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 10 << 30
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = 256 << 20
	}
	if o.PingInterval == 0 {
		o.PingInterval = 20 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.free == nil {
		o.free = freeBytes
	}
	return o
}

func (o Options) validate() error {
	if o.DataDir == "" {
		return fault.New(fault.Usage, "give --data-dir (or dataDir)", "the hub has no data directory")
	}
	if o.MaxBytes < minFree {
		return fault.New(fault.Usage, "give it at least 64 MiB", "the hub's size limit of %d bytes is too small", o.MaxBytes)
	}
	_, _, err := o.hostPort()
	return err
}

// hostPort splits Listen. The server takes -1, not 0, for a free port, and an
// empty host for every interface.
func (o Options) hostPort() (string, int, error) {
	host, text, err := net.SplitHostPort(o.Listen)
	port, perr := strconv.Atoi(text)
	if err == nil && (perr != nil || port < -1 || port > 65535) {
		err = fmt.Errorf("port %q is not a number from 0 to 65535", text)
	}
	if err == nil && host == "" {
		err = errors.New("it names no host; 0.0.0.0 listens on every interface")
	}
	if err != nil {
		return "", 0, fault.New(fault.Usage, "write it as host:port, such as "+DefaultListen, "hub listen address %q: %w", o.Listen, err)
	}
	if port == 0 {
		port = -1
	}
	return host, port, nil
}

func (o Options) tlsConfig() (*tls.Config, error) {
	if o.TLS.IsZero() {
		return nil, nil
	}
	if o.TLS.Cert == "" {
		return nil, fault.New(fault.Usage, "set tls.cert and tls.key", "the hub's TLS has no certificate")
	}
	cfg, err := o.TLS.Config()
	if err != nil {
		return nil, err
	}
	if cfg.RootCAs != nil {
		cfg.ClientCAs, cfg.ClientAuth = cfg.RootCAs, tls.RequireAndVerifyClientCert
		cfg.RootCAs = nil
	}
	return cfg, nil
}

// checkPort finds out early, and with the system's own error, that the address
// cannot be had.
func (o Options) checkPort() error {
	host, port, err := o.hostPort()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(max(port, 0))))
	if err != nil {
		return listenError(o.Listen, err)
	}
	return l.Close()
}

func listenError(addr string, err error) error {
	try := "choose another --listen address"
	switch {
	case strings.Contains(err.Error(), "address already in use"):
		try = "stop what listens there (another hub?), or choose another --listen address"
	case errors.Is(err, os.ErrPermission):
		try = "choose a port above 1023, or run with the right to bind this one"
	case strings.Contains(err.Error(), "cannot assign requested address"):
		try = "choose an address of this host, or 0.0.0.0 for every interface"
	}
	return fault.New(fault.General, try, "the hub cannot listen on %s: %w", addr, err)
}
