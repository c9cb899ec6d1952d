package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
)

// conflictListView is what `syncer conflicts list` prints for programs.
type conflictListView struct {
	Kind
	Items []conflictView `json:"items"` // newest first, values without their bytes
	More  bool           `json:"more"`  // there are others
}

type conflictsListOptions struct {
	taskOptions
	query  command.Query
	prefix string
	since  time.Duration
}

var conflictTypes = []string{
	string(conflict.UpdateDirty), string(conflict.UpdateMissing), string(conflict.DeleteDirty), string(conflict.DeleteMissing),
	string(conflict.InsertExists), string(conflict.Group),
}

func newConflictsList(s *session) *cobra.Command {
	var o conflictsListOptions
	cmd := &cobra.Command{
		Use:   "list [EDGE]",
		Short: "List the conflicts of an edge, newest first",
		Long: `List what is on record of an edge's conflicts, newest first. STATE is open when
somebody has to decide. With -o wide every line has the rule, its policy, both
revisions and the reason.

Exit code: 0 listed, 4 no answer in time, 5 unreachable.`,
		Example: `  syncer conflicts list store-1
  syncer conflicts list store-1 --open
  syncer conflicts list -c edge.yaml --prefix /kubernetes/deployments.apps/ --since 24h -o json`,
		Args: wants(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.take(args)
			return o.list(cmd, s)
		},
	}
	cmd.Flags().StringVar(&o.prefix, "prefix", "", "only keys at the edge with this `prefix`")
	cmd.Flags().Var(oneOf{&o.query.Type, conflictTypes}, "type", "only conflicts of this type")
	cmd.Flags().BoolVar(&o.query.Open, "open", false, "only those that wait for somebody to decide")
	cmd.Flags().BoolVar(&o.query.Ignored, "ignored", false, "also changes of nothing but ignored fields: the newest of each key")
	cmd.Flags().DurationVar(&o.since, "since", 0, "only those of this time, like 24h")
	cmd.Flags().Uint64Var(&o.query.Before, "before", 0, "only those older than the one with this `ID`")
	cmd.Flags().IntVar(&o.query.Limit, "limit", 20, fmt.Sprintf("at most so many, up to %d", command.MaxConflicts))
	o.addFlags(cmd)
	return cmd
}

func (o *conflictsListOptions) list(cmd *cobra.Command, s *session) error {
	q := o.query
	q.Prefix = []byte(o.prefix)
	switch {
	case o.since < 0:
		return fault.New(fault.Usage, "--since 24h", "--since is a time that has passed, not %v", o.since)
	case o.since > 0:
		q.Since = time.Now().Add(-o.since).UTC()
	}
	if q.Limit == 0 {
		return fault.New(fault.Usage, "--limit 20", "--limit 0 would list nothing")
	}
	found, err := o.find(cmd, s, q)
	if err != nil {
		return err
	}
	v := conflictListView{Kind: kind("ConflictList"), Items: []conflictView{}, More: found.more}
	var ids []string
	for _, r := range found.records {
		v.Items = append(v.Items, viewConflict(found.edge, r))
		ids = append(ids, fmt.Sprint(r.ID))
	}
	if err := o.out.print(cmd.OutOrStdout(), v, func(p *page) { drawConflictList(p, v.Items, o.out.wide(), time.Now()) }, ids...); err != nil {
		return err
	}
	if o.out.forPeople() {
		p := &page{}
		v.remark(p)
		fmt.Fprint(cmd.ErrOrStderr(), p.String())
	}
	return nil
}

func drawConflictList(p *page, items []conflictView, wide bool, now time.Time) {
	if len(items) == 0 {
		return
	}
	head := plain("ID", "SINCE", "TYPE", "OUTCOME", "STATE", "BY", "KEY")
	if wide {
		head = append(head, plain("RULE", "POLICY", "SOURCE", "LOCAL", "REASON")...)
	}
	rows := [][]cell{head}
	for _, v := range items {
		r := v.Conflict
		row := plain(fmt.Sprint(r.ID), since(r.Time, now), dash(string(r.Type)), string(r.Outcome), standing(r), dash(r.By), quoted(r.Key))
		if wide {
			row = append(row, plain(dash(r.Rule), string(r.Policy), revision(r.SourceRevision), revision(r.LocalRevision), dash(r.Reason))...)
		}
		rows = append(rows, row)
	}
	p.table(rows)
}

// remark says what the table does not.
func (v conflictListView) remark(p *page) {
	switch {
	case len(v.Items) == 0 && v.More:
		p.line("The answer was too long for a report; ask for fewer with --limit, or at the edge.")
	case len(v.Items) == 0:
		p.line("No such conflict is on record.")
	case v.More:
		p.line("There are more: --before %d", v.Items[len(v.Items)-1].Conflict.ID)
	}
}
