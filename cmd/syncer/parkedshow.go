package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/status"
)

// parkedDetail is one parked group for programs.
type parkedDetail struct {
	Kind
	parkedView
}

func newParkedShow(s *session) *cobra.Command {
	var out output
	var edge string
	cmd := &cobra.Command{
		Use:   "show GROUP",
		Short: "Show one parked group with its first keys",
		Example: `  syncer parked show GROUP
  syncer parked show GROUP --edge store-1 -o yaml`,
		Args: wants(0, "the ID of a group: syncer parked list"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return showParked(cmd, s, out, edge, args[0])
		},
	}
	edgeFlag(cmd, &edge)
	out.addFlags(cmd)
	return cmd
}

func edgeFlag(cmd *cobra.Command, edge *string) {
	cmd.Flags().StringVar(edge, "edge", "", "the `name` of the edge; found by the group if it is not given")
}

func showParked(cmd *cobra.Command, s *session, out output, edge, id string) error {
	op, sights, err := s.openParked(cmd, edge)
	if err != nil {
		return err
	}
	defer op.close()
	at, groups, err := find(sights, []string{id})
	if err != nil {
		return err
	}
	v := parkedDetail{Kind: kind("Parked"), parkedView: parkedView{Edge: at.item.Name, Parked: groups[0]}}
	return out.print(cmd.OutOrStdout(), v, func(p *page) { v.draw(p, time.Now()) }, v.ID)
}

func (v parkedDetail) draw(p *page, now time.Time) {
	p.line("Group     %s", v.ID)
	p.line("Edge      %s", v.Edge)
	p.line("Why       %s", why(v.Parked))
	p.line("Rule      %s", dash(v.Rule))
	p.line("Keys      %s", parkedOf(v.Parked))
	p.line("Revision  %s", revision(v.Revision))
	p.line("Since     %s", since(v.Since, now))
	p.line("Reason    %s", dash(v.Reason))
	p.line("Sample")
	for _, key := range v.Sample {
		p.line("  %s", quoted(key))
	}
	if rest := v.Keys - len(v.Sample); rest > 0 {
		p.line("  and %d more", rest)
	}
	p.line("Next      %s", v.remedy())
}

// remedy is what to do about the group.
func (v parkedDetail) remedy() string {
	switch {
	case v.Try != "":
		return v.Try
	case v.Why == status.MassDelete && !v.Dropped:
		return "if the deletes are right: syncer resync " + v.Edge + " --approve"
	}
	return "when the cause is gone: syncer parked retry " + v.ID
}
