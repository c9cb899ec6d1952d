package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/fault"
)

// clusterFlag says how the source's API server keeps objects in etcd.
type clusterFlag struct {
	prefix string
}

func (f *clusterFlag) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.prefix, "etcd-prefix", filter.DefaultCluster.Prefix, "the --etcd-prefix of the source's API server")
}

func (f *clusterFlag) cluster() (filter.Cluster, error) {
	if !strings.HasPrefix(f.prefix, "/") || strings.HasSuffix(f.prefix, "/") {
		return filter.Cluster{}, fault.New(fault.Usage, "write it as /registry", "--etcd-prefix %q must start with a slash and not end with one", f.prefix)
	}
	return filter.Cluster{Prefix: f.prefix}, nil
}

// readInput reads a file, or standard input for "-".
func readInput(cmd *cobra.Command, file string) ([]byte, error) {
	if file == "-" {
		data, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), strictyaml.MaxFileSize+1))
		if err != nil {
			return nil, fmt.Errorf("reading standard input: %w", err)
		}
		return data, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.New(fault.Usage, "check the path and its permissions", "%w", err)
	}
	return data, nil
}

// parsePolicies adds what is wrong with the policies of a file to the report.
func parsePolicies(r *strictyaml.Report, cmd *cobra.Command, file string, c filter.Cluster) ([]filter.Policy, error) {
	data, err := readInput(cmd, file)
	if err != nil {
		return nil, err
	}
	return filter.Parse(r, inputName(file), data, c), nil
}

// inputName is how messages call a file.
func inputName(file string) string {
	if file == "-" {
		return "standard input"
	}
	return file
}
