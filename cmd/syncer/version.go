package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator"
)

type versionView struct {
	Kind
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersion() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:     "version",
		GroupID: groupLook,
		Short:   "Print the version",
		Example: `  syncer version -o json`,
		Args:    wants(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := thisVersion()
			return out.print(cmd.OutOrStdout(), v, func(p *page) {
				p.line("syncer %s (%s, %s)", v.Version, v.Go, v.Platform)
			}, v.Version)
		},
	}
	out.addFlags(cmd)
	return cmd
}

func thisVersion() versionView {
	v := versionView{
		Kind:     kind("Version"),
		Version:  replicator.Version,
		Go:       runtime.Version(),
		Platform: fmt.Sprintf("%s/%s", runtime.GOOS, runtime.GOARCH),
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				v.Revision = setting.Value
			}
		}
	}
	return v
}
