package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/pairing"
)

// answerTime bounds what a command asks of the hub at once.
const answerTime = 10 * time.Second

// cloud is the cloud's side: its configuration and its hub, as the hub's
// admin. The one who opened it closes nc.
type cloud struct {
	cfg  *config.Exporter
	file string
	nc   *nats.Conn
}

// openCloud reads the cloud's configuration and connects to its hub.
func (s *session) openCloud(cmd *cobra.Command) (*cloud, error) {
	cfg, file, err := s.exporterConfig(config.Overlay{})
	if err != nil {
		return nil, err
	}
	c := &cloud{cfg: cfg, file: file}
	c.nc, err = c.connect(cmd.Context(), s.log.quiet(cmd.ErrOrStderr()))
	return c, err
}

func (c *cloud) connect(ctx context.Context, log *slog.Logger) (*nats.Conn, error) {
	o, err := c.link()
	if err != nil {
		return nil, err
	}
	o.Name, o.Logger = "syncer command", log
	o.JitterMax = 100 * time.Millisecond // a person waits
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	nc, err := conn.Connect(ctx, o)
	if err != nil && c.cfg.Hub.Embedded != nil && fault.ExitCode(err) == int(fault.Unreachable) {
		return nil, fault.New(fault.Unreachable, "start the exporter, which runs the hub: syncer export -c "+c.file, "%w", err)
	}
	return nc, err
}

// link is how to reach the hub: as configured, or the one inside the exporter.
func (c *cloud) link() (conn.Options, error) {
	if e := c.cfg.Hub.Embedded; e != nil {
		return c.embeddedLink(e)
	}
	return replicator.HubOptions(c.cfg.Hub.Link(), conn.Options{}), nil
}

func (c *cloud) embeddedLink(e *config.EmbeddedHub) (conn.Options, error) {
	seed := filepath.Join(e.DataDir, "admin.nk")
	if _, err := os.Stat(seed); errors.Is(err, fs.ErrNotExist) {
		return conn.Options{}, fault.New(fault.Unreachable, "start the exporter, which runs the hub: syncer export -c "+c.file,
			"the hub in the exporter has never run: %w", err)
	}
	address, err := localAddress(e.Listen)
	if err != nil {
		return conn.Options{}, err
	}
	o := conn.Options{URLs: []string{"nats://" + address}, CredentialsFile: seed}
	if e.TLS != nil {
		o.TLS, err = ownTLS(e.TLS, address)
	}
	return o, err
}

// localAddress is where this host reaches what listens on an address.
func localAddress(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fault.New(fault.Usage, "write it like 127.0.0.1:4222", "hub.embedded.listen %q: %w", listen, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port), nil
}

// registry opens the list of pairs.
func (c *cloud) registry(ctx context.Context) (*pairing.Registry, error) {
	if err := conn.CheckJetStream(ctx, c.nc); err != nil {
		return nil, c.explain(err)
	}
	r, err := pairing.OpenReplicated(ctx, c.nc, c.cfg.Stream.Replicas, time.Now)
	return r, c.explain(err)
}

// explain says what the end of a time limit means here, the hub is silent, and
// what an error does when the connection is gone.
func (c *cloud) explain(err error) error {
	if err != nil && !c.nc.IsConnected() {
		return fault.New(fault.Unreachable, "see that the hub runs, and its log", "the hub went away before it answered: %w", err)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) {
		return fault.New(fault.Unreachable, "see that the hub is healthy, and its log",
			"the hub at %s did not answer in %v: %w", c.nc.ConnectedUrlRedacted(), answerTime, err)
	}
	return err
}

// pairsOfSource are the pairs of this source, removed ones included.
func (c *cloud) pairsOfSource(ctx context.Context) ([]pairing.Record, error) {
	r, err := c.registry(ctx)
	if err != nil {
		return nil, err
	}
	all, err := r.List(ctx)
	if err != nil {
		return nil, c.explain(fmt.Errorf("list the pairs: %w", err))
	}
	var own []pairing.Record
	for _, rec := range all {
		if rec.Source == c.cfg.Name {
			own = append(own, rec)
		}
	}
	return own, nil
}

// unknownEdge is the error for a name that is not among the known ones.
func unknownEdge(name string, known []string) error {
	if near := nearest(name, known); near != "" {
		return fault.New(fault.Usage, "syncer pair list", "there is no edge %q; did you mean %q?", name, near)
	}
	return fault.New(fault.Usage, "syncer pair list", "there is no edge %q", name)
}

func names(recs []pairing.Record) []string {
	out := make([]string, len(recs))
	for i, r := range recs {
		out[i] = r.Name
	}
	return out
}
