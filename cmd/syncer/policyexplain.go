package main

import (
	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/manifest"
	"github.com/syncer-io/syncer/replicator/fault"
)

type policyExplainOptions struct {
	policyChoice
	edge   edgeChoice
	object string
	out    output
}

func newPolicyExplain(s *session) *cobra.Command {
	var o policyExplainOptions
	cmd := &cobra.Command{
		Use:   "explain -f FILE KEY|RESOURCE/NAMESPACE/NAME",
		Short: "Say whether something crosses, by which rule, and how it changes",
		Long: `Say what a policy makes of one key or object: which rule decides and why the
others do not, and the object before and after its transformation.

The object comes from a manifest (--object), or from the source's etcd when -c
names the cloud's configuration. Without either, the key alone has to tell. With
--object the name may be left out for kinds that are built in.

The values of Secrets are not shown.`,
		Example: `  syncer policy explain -f flags.yaml /flags/a
  syncer policy explain -f store.yaml --object web.yaml
  kubectl get -n shop deployment web -o yaml | syncer policy explain -f store.yaml --object -
  syncer policy explain -f store.yaml deployments.apps/shop/web -c cloud.yaml --edge store-1 --label region=eu`,
		Args: wants(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return o.run(cmd, s, name)
		},
	}
	cmd.Flags().StringVar(&o.object, "object", "", "`file` with the object as YAML, JSON, or as etcd holds it; - is standard input")
	cmd.Flags().StringVar(&o.edge.Name, "edge", "", "`name` of the edge to fill the policy in for")
	cmd.Flags().StringToStringVar(&o.edge.Labels, "label", nil, "label of the edge, as `key=value`; may be repeated")
	o.addFlags(cmd)
	o.out.addFlags(cmd)
	return cmd
}

func (o *policyExplainOptions) run(cmd *cobra.Command, s *session, name string) error {
	if o.object == "-" && o.file == "-" {
		return fault.New(fault.Usage, "put one of them into a file", "the policy and the object cannot both be standard input")
	}
	if o.edge.Name == "" && len(o.edge.Labels) > 0 {
		return fault.New(fault.Usage, "--edge NAME", "labels belong to an edge, and none is named")
	}
	if name == "" && o.object == "" {
		return fault.New(fault.Usage, cmd.UseLine(), "%s needs a key, an object's name, or --object", cmd.CommandPath())
	}
	src, err := o.origin(cmd, s)
	if err != nil {
		return err
	}
	p, err := o.load(cmd, src.cluster)
	if err != nil {
		return err
	}
	sel, err := o.edge.fill(p, src.cluster)
	if err != nil {
		return err
	}
	key, value, err := src.read(name)
	if err != nil {
		return err
	}
	if src.keyOnly && sel.Take(key, nil).Verdict == filter.Refused {
		return fault.New(fault.Usage, "give it with --object FILE, or name the cloud's configuration with -c", "what becomes of %s depends on the object", key)
	}
	v := viewExplanation(sel.Explain(key, value), p.Metadata.Name, o.edge)
	return o.out.print(cmd.OutOrStdout(), v, func(page *page) { v.draw(page, o.out.wide()) }, v.Verdict)
}

// origin is where the object comes from.
type origin struct {
	cluster filter.Cluster
	keyOnly bool
	read    func(name string) (key, value []byte, err error)
}

func (o *policyExplainOptions) origin(cmd *cobra.Command, s *session) (origin, error) {
	if o.object == "" && s.config != "" {
		return o.live(cmd, s)
	}
	c, err := o.cluster.cluster()
	if err != nil {
		return origin{}, err
	}
	src := origin{cluster: c, keyOnly: o.object == ""}
	src.read = func(name string) (key, value []byte, err error) {
		if src.keyOnly {
			key, err = manifest.Key(name, c.Prefix)
			return key, nil, err
		}
		data, err := readInput(cmd, o.object)
		if err != nil {
			return nil, nil, err
		}
		return manifest.Stored(inputName(o.object), data, name, c.Prefix)
	}
	return src, nil
}
