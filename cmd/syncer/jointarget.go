package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/kube/client"
)

// joinTarget is the cluster that an edge is to write to: an etcd, or a Kubernetes
// cluster.
type joinTarget struct {
	endpoints  []string
	tls        config.TLS
	user       string
	password   string // a file
	kubeconfig string
	context    string
	inCluster  bool
}

func (t *joinTarget) addFlags(flags *pflag.FlagSet) {
	flags.StringSliceVar(&t.endpoints, "target-etcd", nil, "`urls` of the etcd to write to")
	flags.StringVar(&t.tls.CA, "target-ca", "", "PEM `file` with the authority of that etcd's certificate")
	flags.StringVar(&t.tls.Cert, "target-cert", "", "PEM `file` with a client certificate for that etcd")
	flags.StringVar(&t.tls.Key, "target-key", "", "PEM `file` with the key of the certificate")
	flags.StringVar(&t.user, "target-user", "", "`user` of that etcd")
	flags.StringVar(&t.password, "target-password-file", "", "`file` with the user's password")
	flags.StringVar(&t.kubeconfig, "target-kubeconfig", "", "`file` for the Kubernetes cluster to write to, instead of an etcd")
	flags.StringVar(&t.context, "target-context", "", "`name` of a context of the kubeconfig (default its current one)")
	flags.BoolVar(&t.inCluster, "target-in-cluster", false, "write to the Kubernetes cluster of the pod that this runs in")
	bindEnv(flags, "target-etcd", "SYNCER_TARGET_ENDPOINTS")
}

// cluster is the target as edge.yaml has it, with paths as they were given.
func (t *joinTarget) cluster() (config.Cluster, error) {
	switch kubernetes := t.kubeconfig != "" || t.inCluster; {
	case kubernetes && len(t.endpoints) > 0, t.kubeconfig != "" && t.inCluster:
		return config.Cluster{}, fault.New(fault.Usage, "give one of --target-etcd, --target-kubeconfig and --target-in-cluster",
			"the edge writes to one cluster, and several are given")
	case t.context != "" && t.kubeconfig == "":
		return config.Cluster{}, fault.New(fault.Usage, "give --target-kubeconfig", "--target-context is one of a kubeconfig, and there is none")
	case kubernetes:
		return config.Cluster{Kubernetes: &config.Kubernetes{Kubeconfig: t.kubeconfig, Context: t.context}}, nil
	case len(t.endpoints) == 0:
		return config.Cluster{}, fault.New(fault.Usage, "give --target-etcd, such as http://127.0.0.1:2379, or --target-kubeconfig for a Kubernetes cluster",
			"which cluster shall this edge write to?")
	}
	c := config.Cluster{Etcd: config.Etcd{Endpoints: t.endpoints, User: t.user, PasswordFile: t.password}}
	if t.tls != (config.TLS{}) || strings.HasPrefix(t.endpoints[0], "https://") {
		c.Etcd.TLS = &t.tls
	}
	return c, nil
}

// absolute names files so that they are found wherever the daemon starts.
func absolute(paths ...*string) error {
	for _, p := range paths {
		if *p == "" {
			continue
		}
		full, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("name %s in full: %w", *p, err)
		}
		*p = full
	}
	return nil
}

// tryTarget looks at the target before the token is used. One that is away is
// no obstacle: the importer waits for it.
func (o joinOptions) tryTarget(cmd *cobra.Command, i *config.Importer, s *session) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), answerTime)
	defer cancel()
	err := lookAt(ctx, i.Target, s.log, cmd)
	if err != nil && fault.ExitCode(err) == int(fault.Unreachable) && cmd.Context().Err() == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "Warning: %v\nThe importer will wait for it. Try: %s\n", err, fault.Try(err))
		return nil
	}
	return err
}

func lookAt(ctx context.Context, c config.Cluster, log logOptions, cmd *cobra.Command) error {
	quiet := log.quiet(cmd.ErrOrStderr())
	if c.Kubernetes != nil {
		_, err := client.Connect(ctx, replicator.KubernetesConfig(*c.Kubernetes), quiet)
		return err
	}
	cli, err := dial.Dial(ctx, replicator.EtcdConfig(c.Etcd), quiet)
	if err == nil {
		_, err = dial.Check(ctx, cli, dial.Target)
		_ = cli.Close() // it was only to look
	}
	return err
}
