package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
)

// conflictDetail is one conflict for programs, with its values.
type conflictDetail struct {
	Kind
	conflictView
}

func newConflictsShow(s *session) *cobra.Command {
	var o taskOptions
	cmd := &cobra.Command{
		Use:   "show ID|KEY",
		Short: "Show one conflict, with what each side had",
		Long: `Show the conflict with an ID, or the newest of a key; changes of
nothing but ignored fields are shown by their ID. Values are the first 64 KiB
of what each side had, and from the cloud the first 8 KiB. Values of Secrets are
not shown.

Exit code: 0 shown, 2 there is no such conflict, 4 no answer in time, 5
unreachable.`,
		Example: `  syncer conflicts show 17 --edge store-1
  syncer conflicts show /flags/dark-mode -c edge.yaml -o json`,
		Args: wants(0, "the ID or the key of a conflict: syncer conflicts list"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.showConflict(cmd, s, args[0]) },
	}
	conflictEdgeFlag(cmd, &o.edge)
	o.addFlags(cmd)
	return cmd
}

func conflictEdgeFlag(cmd *cobra.Command, edge *string) {
	cmd.Flags().StringVar(edge, "edge", "", "the `name` of the edge; may be left out at the edge")
}

func (o *taskOptions) showConflict(cmd *cobra.Command, s *session, which string) error {
	q := command.Query{Key: []byte(which), Limit: 1, Values: true}
	if id, err := strconv.ParseUint(which, 10, 64); err == nil && id > 0 {
		q = command.Query{Record: id}
	}
	if err := o.namedInCloud(cmd, s); err != nil {
		return err
	}
	found, err := o.find(cmd, s, q)
	if err != nil {
		return err
	}
	if len(found.records) == 0 {
		return fault.New(fault.Usage, "syncer conflicts list", "no conflict of key %q is on record at %s", which, found.edge)
	}
	v := conflictDetail{Kind: kind("Conflict"), conflictView: viewConflict(found.edge, found.records[0])}
	return o.out.print(cmd.OutOrStdout(), v, func(p *page) { v.draw(p, time.Now()) }, fmt.Sprint(v.Conflict.ID))
}

// namedInCloud wants the edge to be named where there are many.
func (o *taskOptions) namedInCloud(cmd *cobra.Command, s *session) error {
	if o.edge != "" {
		return nil
	}
	file, _, err := s.anyConfig()
	if err != nil || file.Exporter == nil {
		return err
	}
	return fault.New(fault.Usage, "--edge EDGE, one of: syncer pair list", "%s needs the name of the edge", cmd.CommandPath())
}

func (v conflictDetail) draw(p *page, now time.Time) {
	r := v.Conflict
	p.line("Conflict  %d", r.ID)
	p.line("Edge      %s", v.Edge)
	p.line("Key       %s", quoted(r.Key))
	p.line("Type      %s", dash(string(r.Type)))
	p.line("Policy    %s of rule %s", dash(string(r.Policy)), dash(r.Rule))
	p.line("Outcome   %s", r.Outcome)
	p.line("State     %s", standing(r))
	p.line("Since     %s", since(r.Time, now))
	p.line("Revision  %s of the source, %s here", revision(r.SourceRevision), revision(r.LocalRevision))
	p.line("By        %s", dash(r.By))
	if r.Group > 0 {
		p.line("Group     what changed at revision %d", r.Group)
	}
	for _, list := range []struct {
		name   string
		fields []string
	}{{"Both", r.Fields}, {"Kept", r.Kept}} {
		if len(list.fields) > 0 {
			p.line("%-8s  %s", list.name, strings.Join(list.fields, ", "))
		}
	}
	if r.Reason != "" {
		p.line("Reason    %s", r.Reason)
	}
	drawValue(p, "Base", r.Base)
	drawValue(p, "At edge", r.Edge)
	drawValue(p, "Source", r.Source)
	if r.Open {
		p.line("Next      syncer conflicts resolve %s --take source|edge|file=PATH|restore=ID", keyArgument(r.Key))
	}
}

// drawValue shows a value: as YAML where it is an object.
func drawValue(p *page, name string, v ledger.Value) {
	switch {
	case v.Unknown:
		p.line("%-8s  not known", name)
		return
	case !v.Present:
		p.line("%-8s  not there", name)
		return
	}
	p.line("%-8s  %s%s", name, size(int64(v.Size)), shown(v))
	if object := objectOf(v.Bytes); object != nil && !v.Truncated {
		var text strings.Builder
		if err := printYAML(&text, object); err == nil {
			indented(p, text.String())
			return
		}
	}
	if len(v.Bytes) == 0 {
		return
	}
	if text := textOf(v.Bytes); text != "" {
		indented(p, text)
		return
	}
	p.line("  %s", quoted(v.Bytes))
}

// shown says how much of a value is shown.
func shown(v ledger.Value) string {
	switch {
	case !v.Truncated:
		return ""
	case len(v.Bytes) == 0:
		return fmt.Sprintf(", not shown, SHA-256 %s", v.Hash)
	default:
		return fmt.Sprintf(", the first %s, SHA-256 of all %s", size(int64(len(v.Bytes))), v.Hash)
	}
}

// textOf is what can be shown as it is, or "".
func textOf(b []byte) string {
	if !utf8.Valid(b) {
		return ""
	}
	return string(b)
}
