package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/pairing"
)

type pairCreateOptions struct {
	policy  string
	labels  []string
	ttl     time.Duration
	replace bool
	url     string
	out     output
}

// offerView is a new pair with its token, which is shown this once.
type offerView struct {
	Kind
	Name    string    `json:"name"`
	Source  string    `json:"source"`
	Policy  string    `json:"policy"`
	Labels  labels    `json:"labels,omitempty"`
	URL     string    `json:"url"`
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
	Join    string    `json:"join"`
}

func newPairCreate(s *session) *cobra.Command {
	var o pairCreateOptions
	cmd := &cobra.Command{
		Use:   "create EDGE --policy POLICY",
		Short: "Make a token with which one edge can join once",
		Long: `Make a pair for an edge and print the command that joins it, and the token. The
token is used once, expires, and is shown only now. Whoever holds it can take
the edge's place until then.`,
		Example: `  syncer pair create store-1 --policy flags
  syncer pair create store-1 --policy store --label region=eu --label tier=gold
  syncer pair create store-1 --policy flags --ttl 15m -o json
  syncer pair create store-1 --policy flags --replace   # the old edge is shut out at once`,
		Args: wants(0, "the name of the edge"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, s, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.policy, "policy", "", "`policy` that the edge receives; may be left out when there is only one")
	flags.StringArrayVar(&o.labels, "label", nil, "`name=value` that policies may use as ${edge.labels.name}; may be repeated")
	flags.DurationVar(&o.ttl, "ttl", pairing.DefaultTTL, "how long the token can be used")
	flags.BoolVar(&o.replace, "replace", false, "end a pair of this name first, with its edge's access")
	flags.StringVar(&o.url, "url", "", "`url` of the hub as the edge reaches it; default: from the configuration")
	o.out.addFlags(cmd)
	return cmd
}

func (o pairCreateOptions) run(cmd *cobra.Command, s *session, edge string) error {
	if o.ttl <= 0 {
		return fault.New(fault.Usage, "give a time such as 1h", "--ttl %v: a token cannot be valid for that long", o.ttl)
	}
	labels, err := pairing.ParseLabels(o.labels)
	if err != nil {
		return err
	}
	cfg, _, err := s.exporterConfig(config.Overlay{})
	if err != nil {
		return err
	}
	c, err := s.openCloud(cmd)
	if err != nil {
		return err
	}
	defer c.nc.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), answerTime)
	defer cancel()
	registry, err := c.registry(ctx)
	if err != nil {
		return err
	}
	known, err := c.policies(ctx)
	if err != nil {
		return err
	}
	if o.policy, err = choosePolicy(cfg.Name, policyNames(known), o.policy); err != nil {
		return err
	}
	if err := canServe(known, o.policy, filter.Edge{Name: edge, Labels: labels}, cfg.Cluster()); err != nil {
		return err
	}
	token, rec, err := registry.Create(ctx, pairing.Offer{
		Name: edge, Source: c.cfg.Name, Policy: o.policy, Labels: labels, TTL: o.ttl, Replace: o.replace,
	})
	if err != nil {
		return c.explain(err)
	}
	return o.show(cmd, c.cfg, rec, token)
}

func (o pairCreateOptions) show(cmd *cobra.Command, cfg *config.Exporter, rec pairing.Record, token pairing.Token) error {
	url := o.url
	if url == "" {
		url = edgeURL(cfg)
	}
	v := offerView{
		Kind: kind("PairOffer"), Name: rec.Name, Source: rec.Source, Policy: rec.Policy, Labels: rec.Labels,
		URL: url, Token: token.Reveal(), Expires: rec.Expires,
	}
	v.Join = fmt.Sprintf("syncer join %s --token %s", v.URL, v.Token)
	if err := o.out.print(cmd.OutOrStdout(), v, func(p *page) {
		p.line("%s", v.Join)
		p.line("%s", v.Token)
	}, v.Name); err != nil {
		return err
	}
	if o.out.forPeople() {
		advise(cmd, v)
	}
	return nil
}

// advise tells, beside the data, what to do with it.
func advise(cmd *cobra.Command, v offerView) {
	w := cmd.ErrOrStderr()
	fmt.Fprintf(w, "Pair %s is offered policy %s. The token works once, until %s.\n", v.Name, v.Policy, v.Expires.UTC().Format(time.RFC3339))
	if isLoopback(v.URL) {
		fmt.Fprintf(w, "The address %s works on this host only; for another, give --url nats://HOST:PORT.\n", v.URL)
	}
	fmt.Fprintln(w, "Next: run the first line at the edge, with --target-etcd URL of the etcd to write to.")
}

// choosePolicy is the policy of that name, or the only one.
func choosePolicy(source string, known []string, name string) (string, error) {
	list := strings.Join(known, ", ")
	switch near := nearest(name, known); {
	case slices.Contains(known, name):
		return name, nil
	case len(known) == 0:
		return "", fault.New(fault.Usage, "syncer policy apply -f FILE, or add one to the exporter's configuration", "source %s has no policies", source)
	case name == "" && len(known) == 1:
		return known[0], nil
	case name == "":
		return "", fault.New(fault.Usage, "give --policy, one of: "+list, "which policy shall the edge receive?")
	case near != "":
		return "", fault.New(fault.Usage, "--policy "+near, "there is no policy %q in %s; did you mean %q?", name, source, near)
	default:
		return "", fault.New(fault.Usage, "use one of: "+list, "there is no policy %q in %s", name, source)
	}
}

// edgeURL is the hub's address as edges may reach it.
func edgeURL(cfg *config.Exporter) string {
	if cfg.Hub.Embedded == nil {
		return cfg.Hub.Link().URLs()[0]
	}
	scheme := "nats://"
	if cfg.Hub.Embedded.TLS != nil {
		scheme = "tls://"
	}
	host, port, err := net.SplitHostPort(cfg.Hub.Embedded.Listen)
	if err != nil {
		return scheme + cfg.Hub.Embedded.Listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return scheme + net.JoinHostPort(host, port)
}

func isLoopback(url string) bool {
	_, address, _ := strings.Cut(url, "://")
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
