package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/jetstream/hub"
)

type hubOptions struct {
	dataDir  string
	listen   string
	tls      conn.TLS
	maxBytes string
}

func newHub(s *session) *cobra.Command {
	var o hubOptions
	cmd := &cobra.Command{
		Use:     "hub --data-dir DIR",
		GroupID: groupDaemons,
		Short:   "Run a hub: NATS with JetStream, made for syncer",
		Long: `Run the hub that exporters publish to and edges receive from, as a daemon of
its own. Everything it acknowledges is on its disk.

An exporter can run the same hub inside its own process (hub.embedded in its
configuration), and a NATS server of yours with JetStream serves as well.`,
		Example: `  syncer hub --data-dir /var/lib/syncer/hub
  syncer hub --data-dir hub --listen 0.0.0.0:4222 --tls-cert hub.pem --tls-key hub.key`,
		Args: wants(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd, s) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.dataDir, "data-dir", "", "`directory` of the hub's streams and keys")
	flags.StringVar(&o.listen, "listen", hub.DefaultListen, "`address` to listen on, host:port; 0.0.0.0 is every interface")
	flags.StringVar(&o.tls.Cert, "tls-cert", "", "PEM `file` with the hub's certificate")
	flags.StringVar(&o.tls.Key, "tls-key", "", "PEM `file` with the key of the certificate")
	flags.StringVar(&o.tls.CA, "tls-ca", "", "PEM `file` with the authority that certificates of clients must come from")
	flags.StringVar(&o.maxBytes, "max-bytes", "10GiB", "most `bytes` that the streams may take on disk")
	bindEnv(flags, "data-dir", "SYNCER_DATA_DIR")
	bindEnv(flags, "listen", "SYNCER_HUB_LISTEN")
	return cmd
}

func (o hubOptions) run(cmd *cobra.Command, s *session) error {
	if o.dataDir == "" {
		return fault.New(fault.Usage, "syncer hub --data-dir DIR", "the hub needs a directory for its streams")
	}
	maxBytes, err := strictyaml.ParseBytes(o.maxBytes)
	if err != nil {
		return fault.New(fault.Usage, "write it like 10GiB", "--max-bytes %q: %w", o.maxBytes, err)
	}
	options := hub.Options{
		DataDir:  o.dataDir,
		Listen:   o.listen,
		TLS:      o.tls,
		MaxBytes: int64(maxBytes),
		Logger:   s.log.logger(cmd.ErrOrStderr()),
	}
	return untilStopped(cmd, func(ctx context.Context) error {
		return replicator.Hub(ctx, options, func(h *hub.Hub) { announce(cmd, h) })
	})
}

// announce tells where the hub is and what to do next.
func announce(cmd *cobra.Command, h *hub.Hub) {
	var b strings.Builder
	fmt.Fprintf(&b, "The hub listens on %s\n", h.URL())
	fmt.Fprintf(&b, "Its admin credentials are in %s\n", h.AdminSeedFile())
	fmt.Fprintf(&b, "Next: put both into cloud.yaml (hub.url, hub.credentials), then: syncer export -c cloud.yaml\n")
	fmt.Fprint(cmd.ErrOrStderr(), b.String())
}
