package conn

import (
	"context"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Connect connects to the hub and stays connected: after the first success it
// reconnects for ever, with jitter. It never buffers publishes while
// disconnected, since a late publish would break the order of the stream.
//
// The first attempt tries each URL once. When all fail the error is a
// fault.Error: Unreachable, Refused for credentials and certificates, Usage for
// options. ctx bounds that first attempt only. The caller closes the
// connection.
func Connect(ctx context.Context, o Options) (*nats.Conn, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	opts, err := o.natsOptions()
	if err != nil {
		return nil, err
	}
	d := &dialer{timeout: o.Timeout}
	if o.InProcess == nil {
		opts = append(opts, nats.SetCustomDialer(d))
	}
	release := d.boundBy(ctx)
	nc, err := nats.Connect(strings.Join(o.URLs, ","), opts...)
	release()
	if err != nil {
		return nil, o.explain(ctx, err)
	}
	return nc, nil
}

func (o Options) natsOptions() ([]nats.Option, error) {
	opts := []nats.Option{
		nats.Name(o.Name),
		nats.Timeout(o.Timeout),
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(o.reconnectDelay),
		nats.ReconnectBufSize(-1),
		nats.PingInterval(o.PingInterval),
		nats.MaxPingsOutstanding(2),
		nats.IgnoreAuthErrorAbort(),
		nats.IgnoreDiscoveredServers(),
		nats.RetryOnFailedConnect(o.KeepTrying),
	}
	opts = append(opts, o.handlers()...)
	if o.InProcess != nil {
		opts = append(opts, nats.InProcessServer(o.InProcess))
	}
	if o.InboxPrefix != "" {
		opts = append(opts, nats.CustomInboxPrefix(o.InboxPrefix))
	}
	cred, err := o.credentials()
	if err != nil {
		return nil, err
	}
	if cred != nil {
		opts = append(opts, cred)
	}
	if !o.TLS.IsZero() {
		cfg, err := o.TLS.Config()
		if err != nil {
			return nil, err
		}
		opts = append(opts, nats.Secure(cfg))
	}
	return opts, nil
}

// reconnectDelay is the wait before the attempt after so many that failed. An
// edge that lost its link for a moment is back within a second; the longer a
// hub is away, the wider its fleet spreads.
func (o Options) reconnectDelay(attempts int) time.Duration {
	spread := min(time.Second<<min(max(attempts-1, 0), 10), o.JitterMax)
	return min(100*time.Millisecond, o.JitterMax) + rand.N(spread)
}

// dialer lets the context of Connect end the first attempt, which nats.go's
// own dialing does not.
type dialer struct {
	timeout time.Duration
	mu      sync.Mutex
	ctx     context.Context // of the first attempt; nil afterwards
	first   []net.Conn      // opened during the first attempt
}

// boundBy ties dials and their connections to ctx until release.
func (d *dialer) boundBy(ctx context.Context) (release func()) {
	d.ctx = ctx
	stop := context.AfterFunc(ctx, d.closeFirst)
	return func() {
		stop()
		d.mu.Lock()
		defer d.mu.Unlock()
		d.ctx, d.first = nil, nil
	}
}

func (d *dialer) closeFirst() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.first {
		_ = c.Close() // only to wake its reader
	}
}

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	d.mu.Lock()
	ctx := d.ctx
	d.mu.Unlock()
	bound := ctx != nil
	if !bound {
		ctx = context.Background()
	}
	c, err := (&net.Dialer{Timeout: d.timeout}).DialContext(ctx, network, address)
	if err != nil || !bound {
		return c, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.first = append(d.first, c)
	return c, nil
}

func joinURLs(urls []string) string {
	clean := make([]string, len(urls))
	for i, raw := range urls {
		if u, err := url.Parse(raw); err == nil {
			clean[i] = u.Redacted()
		}
	}
	return strings.Join(clean, ", ")
}
