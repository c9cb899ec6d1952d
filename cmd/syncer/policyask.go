package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// policyFiles is the -f flag of commands that send policies to the exporter.
type policyFiles struct {
	files []string
}

func (f *policyFiles) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&f.files, "file", "f", nil, "policy `file`, - is standard input; may be repeated")
}

// read reads the files and checks them as the exporter will.
func (f *policyFiles) read(cmd *cobra.Command, c filter.Cluster) ([]jetstream.PolicyDocument, error) {
	if len(f.files) == 0 {
		return nil, fault.New(fault.Usage, cmd.CommandPath()+" -f FILE", "%s needs a policy file", cmd.CommandPath())
	}
	var r strictyaml.Report
	var policies []filter.Policy
	var out []jetstream.PolicyDocument
	for _, file := range f.files {
		data, err := readInput(cmd, file)
		if err != nil {
			return nil, err
		}
		if file == "-" {
			file = "standard input"
		}
		policies = append(policies, filter.Parse(&r, file, data, c)...)
		out = append(out, jetstream.PolicyDocument{File: file, Text: string(data)})
	}
	filter.CheckDistinct(policies)
	return out, r.Err()
}

// askPolicy sends a request about policies to the exporter and shows how far it
// is. The reply may hold a plan also when there is an error.
func (c *cloud) askPolicy(cmd *cobra.Command, s *session, req jetstream.PolicyRequest) (jetstream.PolicyReply, error) {
	p := newProgress(cmd.ErrOrStderr(), s.env)
	defer p.clear()
	reply, err := jetstream.AskPolicy(cmd.Context(), c.nc, c.cfg.Name, req, func(done jetstream.PolicyProgress) {
		p.tell(fmt.Sprintf("read %d keys of the source", done.Keys))
	})
	var explained *fault.Error
	if err == nil || errors.As(err, &explained) && c.nc.IsConnected() || errors.Is(err, context.Canceled) {
		return reply, err
	}
	return reply, c.explain(err)
}
