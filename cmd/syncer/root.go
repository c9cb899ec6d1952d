package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/syncer-io/syncer/replicator/fault"
)

// session is what the commands of one command line share.
type session struct {
	env    func(string) (string, bool)
	config string // -c
	log    logOptions
	began  bool // a command was found and its command line is good
}

func newRoot(s *session) *cobra.Command {
	root := &cobra.Command{
		Use:   "syncer",
		Short: "Replicate chosen keys of one etcd to many, over links that drop",
		Long: `syncer brings a part of a cloud's etcd to the etcds of edges, exactly, across
links that drop for seconds or weeks.

In the cloud an exporter follows the source etcd and publishes the changes that
a policy selects on a hub (NATS with JetStream). At each edge an importer
receives them and writes them into the local etcd.`,
		Example: `  syncer hub    --data-dir hub                     # the hub, as a daemon of its own
  syncer policy init > flags.yaml                  # what is to cross
  syncer export -c cloud.yaml                      # the cloud's daemon
  syncer pair   create store-1 --policy flags      # a token for one edge
  syncer join   nats://hub:4222 --token TOKEN --target-etcd http://127.0.0.1:2379
  syncer import -c syncer-edge/edge.yaml           # the edge's daemon
  syncer status --wait --for=in-sync               # proof
  syncer resync store-1 --plan                     # what differs, and what it costs`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.fromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			s.began = true
			return nil
		},
	}
	root.PersistentFlags().StringVarP(&s.config, "config", "c", "", "configuration `file`; default: see `syncer help configuration`")
	bindEnv(root.PersistentFlags(), "config", "SYNCER_CONFIG")
	s.log.addFlags(root.PersistentFlags())
	root.SetFlagErrorFunc(flagError)
	group(root)
	root.AddGroup(&cobra.Group{ID: groupDaemons, Title: "Daemons:"},
		&cobra.Group{ID: groupPolicies, Title: "Policies:"},
		&cobra.Group{ID: groupPairs, Title: "Pairing:"},
		&cobra.Group{ID: groupLook, Title: "Looking:"},
		&cobra.Group{ID: groupOperate, Title: "Operating edges, from the cloud or at the edge:"})
	root.AddCommand(newHub(s), newExport(s), newImport(s), newPolicy(s), newPair(s), newJoin(s), newStatus(s),
		newResync(s), newVerify(s), newDiff(s), newPause(s), newResume(s), newParked(s), newConflicts(s),
		newDoctor(s), newWAL(), newVersion(), exitCodesTopic(), configurationTopic())
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			group(c)
		}
	}
	return root
}

// The groups of `syncer help`.
const (
	groupDaemons  = "daemons"
	groupPolicies = "policies"
	groupPairs    = "pairs"
	groupLook     = "look"
	groupOperate  = "operate"
)

// group makes a command that only holds others: alone it prints its help, and
// an unknown verb is an error with the nearest one.
func group(cmd *cobra.Command) {
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		try := cmd.CommandPath() + " --help"
		if near := nearest(args[0], verbs(cmd)); near != "" {
			try = cmd.CommandPath() + " " + near
		}
		return fault.New(fault.Usage, try, "unknown command %q for %q", args[0], cmd.CommandPath())
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

func verbs(cmd *cobra.Command) []string {
	var out []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			out = append(out, c.Name())
			out = append(out, c.SuggestFor...)
		}
	}
	return out
}

// flagError explains a flag that cannot be read.
func flagError(cmd *cobra.Command, err error) error {
	try := cmd.CommandPath() + " --help"
	if unknown := unknownFlag(err); unknown != "" {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		if near := nearest(unknown, known); near != "" {
			try = fmt.Sprintf("%s --%s", cmd.CommandPath(), near)
		}
	}
	return fault.New(fault.Usage, try, "%w", err)
}
