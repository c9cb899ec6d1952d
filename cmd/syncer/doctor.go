package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// doctorView is what `syncer doctor` found, for programs.
type doctorView struct {
	Kind
	File     string        `json:"file"`
	Groups   []*checkGroup `json:"groups"`
	Failures int           `json:"failures"`
	Warnings int           `json:"warnings"`
}

func newDoctor(s *session) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:     "doctor [-c FILE]",
		GroupID: groupLook,
		Short:   "Check a configuration and everything it names",
		Long: `Check a configuration file of either kind and everything it names: files, the data
directory, etcd, the hub, policies and pairs. Nothing is changed, and daemons may
run meanwhile.

Exit code: 0 when no check failed, 3 when one did, 2 when the file itself is
wrong. Warnings do not count.`,
		Example: `  syncer doctor -c cloud.yaml
  syncer doctor -c syncer-edge/edge.yaml -o json`,
		Args: wants(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd, s, &out) },
	}
	out.addFlags(cmd)
	return cmd
}

func runDoctor(cmd *cobra.Command, s *session, out *output) error {
	file, path, err := s.anyConfig()
	if err != nil {
		return err
	}
	d := &doctor{ctx: cmd.Context(), log: s.log.quiet(cmd.ErrOrStderr()), env: s.env}
	if file.Exporter != nil {
		d.examineCloud(path, file.Exporter)
	} else {
		d.examineEdge(path, file.Importer)
	}
	if cmd.Context().Err() != nil {
		return cmd.Context().Err()
	}
	v := doctorView{Kind: kind("Diagnosis"), File: path, Groups: d.groups}
	for _, g := range v.Groups {
		for _, c := range g.Checks {
			switch c.Result {
			case resultFail:
				v.Failures++
			case resultWarn:
				v.Warnings++
			}
		}
	}
	colour := wantsColour(cmd.OutOrStdout(), s.env)
	if err := out.print(cmd.OutOrStdout(), v, func(p *page) { v.draw(p, colour) }, path); err != nil {
		return err
	}
	return v.verdict(cmd.ErrOrStderr(), out, file.Exporter != nil, path)
}

func (v doctorView) draw(p *page, colour bool) {
	for _, g := range v.Groups {
		p.line("%s", g.Name)
		for _, c := range g.Checks {
			c.draw(p, colour)
		}
	}
	p.line("%s, %d failed, %s", status.Count(uint64(len(v.Groups)), "group", "groups"), v.Failures, status.Count(uint64(v.Warnings), "warning", "warnings"))
}

func (v doctorView) verdict(stderr io.Writer, out *output, cloud bool, path string) error {
	if v.Failures > 0 {
		return fault.New(fault.Check, v.firstTry(), "%d of the checks failed", v.Failures)
	}
	if out.forPeople() {
		verb := "import"
		if cloud {
			verb = "export"
		}
		fmt.Fprintf(stderr, "Next: syncer %s -c %s\n", verb, path)
	}
	return nil
}

func (v doctorView) firstTry() string {
	for _, g := range v.Groups {
		for _, c := range g.Checks {
			if c.Result == resultFail && c.Try != "" {
				return c.Try
			}
		}
	}
	return ""
}
