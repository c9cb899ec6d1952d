package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/pairing"
)

type joinOptions struct {
	url       string
	token     string
	tokenFile string
	dataDir   string
	hubCA     string
	target    joinTarget
	secrets   bool
	force     bool
}

func newJoin(s *session) *cobra.Command {
	var o joinOptions
	cmd := &cobra.Command{
		Use:     "join URL (--target-etcd URL | --target-kubeconfig FILE)",
		GroupID: groupPairs,
		Short:   "Join this edge to a hub with a token",
		Long: `Join this edge: make its key, use the token, and write edge.yaml and the key into
the data directory. It may be run again after any failure.

Other users of this host can see the command line. To keep the token off it, give
it in SYNCER_TOKEN or in a file (--token-file, "-" is standard input).`,
		Example: `  syncer join nats://hub.example:4222 --token syn1_... --target-etcd http://127.0.0.1:2379
  SYNCER_TOKEN=syn1_... syncer join nats://hub.example:4222 --target-etcd http://127.0.0.1:2379 --data-dir /var/lib/syncer/import
  syncer join nats://hub.example:4222 --token-file token --target-kubeconfig ~/.kube/config --target-context store-1`,
		Args: wants(0, "the URL of the hub, which syncer pair create printed"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.url = args[0]
			return o.run(cmd, s)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.token, "token", "", "`token` that syncer pair create printed")
	flags.StringVar(&o.tokenFile, "token-file", "", "`file` with the token; - is standard input")
	flags.StringVar(&o.dataDir, "data-dir", "syncer-edge", "`directory` for the key, edge.yaml and the inbox")
	flags.StringVar(&o.hubCA, "hub-ca", "", "PEM `file` with the authority of the hub's certificate")
	o.target.addFlags(flags)
	flags.BoolVar(&o.secrets, "accept-secrets", false, "let the cloud write Secrets of Kubernetes to this edge")
	flags.BoolVar(&o.force, "force", false, "overwrite the edge.yaml of another edge")
	bindEnv(flags, "token", "SYNCER_TOKEN")
	bindEnv(flags, "data-dir", "SYNCER_DATA_DIR")
	return cmd
}

func (o joinOptions) run(cmd *cobra.Command, s *session) error {
	token, err := o.readToken(cmd.InOrStdin())
	if err != nil {
		return err
	}
	wanted, err := o.importer()
	if err != nil {
		return err
	}
	file := edgeFile{path: filepath.Join(o.dataDir, "edge.yaml"), force: o.force}
	if err := file.prepare(wanted); err != nil {
		return err
	}
	if err := o.tryTarget(cmd, wanted, s); err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	grant, err := pairing.Join(cmd.Context(), pairing.JoinOptions{
		URL: o.url, Token: token, KeyFile: filepath.Join(o.dataDir, "edge.nk"),
		TLS: conn.TLS{CA: o.hubCA}, Hostname: host, Software: replicator.Version, Logger: s.log.quiet(cmd.ErrOrStderr()),
	})
	if err != nil {
		return o.explain(err)
	}
	wanted.Name, wanted.Source, wanted.Channel = grant.Name, grant.Source, grant.Channel
	if err := file.write(wanted); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "joined as %s: channel %s of source %s\nwrote %s\n", grant.Name, grant.Channel, grant.Source, file.path)
	fmt.Fprintf(cmd.ErrOrStderr(), "Next: syncer import -c %s\n", file.path)
	return nil
}

// explain names the flag where a configuration file would have a field.
func (o joinOptions) explain(err error) error {
	var authority x509.UnknownAuthorityError
	if errors.As(err, &authority) {
		return fault.New(fault.Refused, "give --hub-ca with the authority of the hub's certificate", "%w", err)
	}
	return err
}

// maxToken bounds what is read as a token.
const maxToken = 4 << 10

func (o joinOptions) readToken(stdin io.Reader) (string, error) {
	if o.tokenFile == "" {
		if o.token == "" {
			return "", fault.New(fault.Usage, "give --token, --token-file or SYNCER_TOKEN, with what syncer pair create printed", "there is no token")
		}
		return o.token, nil
	}
	in := stdin
	if o.tokenFile != "-" {
		f, err := os.Open(o.tokenFile)
		if err != nil {
			return "", fault.New(fault.Usage, "check the path given with --token-file", "read the token: %w", err)
		}
		defer func() { _ = f.Close() }() // nothing is lost with it
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxToken))
	if err != nil {
		return "", fmt.Errorf("read the token from %s: %w", o.tokenFile, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// importer is the configuration without what the hub grants.
func (o joinOptions) importer() (*config.Importer, error) {
	cluster, err := o.target.cluster()
	if err != nil {
		return nil, err
	}
	i := &config.Importer{
		APIVersion: config.APIVersion, Kind: config.KindImporter,
		Hub:     config.HubLink{URL: o.url, Credentials: "edge.nk"},
		Target:  cluster,
		Accept:  config.Accept{Secrets: o.secrets},
		DataDir: ".",
	}
	if o.hubCA != "" {
		i.Hub.TLS = &config.TLS{CA: o.hubCA}
	}
	paths := []*string{&i.Target.Etcd.PasswordFile}
	if k := i.Target.Kubernetes; k != nil {
		paths = append(paths, &k.Kubeconfig)
	}
	for _, t := range []*config.TLS{i.Hub.TLS, i.Target.Etcd.TLS} {
		if t != nil {
			paths = append(paths, &t.CA, &t.Cert, &t.Key)
		}
	}
	return i, absolute(paths...)
}
