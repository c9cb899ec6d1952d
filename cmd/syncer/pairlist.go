package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/pairing"
)

type pairListOptions struct {
	all bool
	out output
}

type pairListView struct {
	Kind
	Items []pairView `json:"items"`
}

func newPairList(s *session) *cobra.Command {
	var o pairListOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the pairs of this source",
		Example: `  syncer pair list
  syncer pair list --all -o json`,
		Args: wants(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd, s) },
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "removed pairs too")
	o.out.addFlags(cmd)
	return cmd
}

func (o pairListOptions) run(cmd *cobra.Command, s *session) error {
	c, err := s.openCloud(cmd)
	if err != nil {
		return err
	}
	defer c.nc.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), answerTime)
	defer cancel()
	recs, err := c.pairsOfSource(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	v := pairListView{Kind: kind("PairList"), Items: []pairView{}}
	var shown []string
	for _, r := range recs {
		if r.State != pairing.Removed || o.all {
			v.Items = append(v.Items, viewPair(r, now))
			shown = append(shown, r.Name)
		}
	}
	if err := o.out.print(cmd.OutOrStdout(), v, func(p *page) { o.draw(p, v.Items, now) }, shown...); err != nil {
		return err
	}
	if len(v.Items) == 0 && o.out.forPeople() {
		fmt.Fprintf(cmd.ErrOrStderr(), "Source %s has no pairs.\nNext: syncer pair create EDGE --policy POLICY\n", c.cfg.Name)
	}
	return nil
}

func (o pairListOptions) draw(p *page, items []pairView, now time.Time) {
	if len(items) == 0 {
		return
	}
	head := plain("EDGE", "POLICY", "STATE", "SINCE", "HOST", "LABELS")
	if o.out.wide() {
		head = append(head, plain("VERSION", "KEY")...)
	}
	rows := [][]cell{head}
	for _, v := range items {
		row := plain(v.Name, v.Policy, v.State, v.since(now), v.Hostname, v.Labels.String())
		if o.out.wide() {
			row = append(row, plain(v.Version, v.EdgeKey)...)
		}
		rows = append(rows, row)
	}
	p.table(rows)
}
