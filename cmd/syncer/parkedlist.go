package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/status"
)

// parkedListView is what `syncer parked list` prints for programs.
type parkedListView struct {
	Kind
	ParkedKeys int          `json:"parkedKeys"`
	Items      []parkedView `json:"items"`
}

func newParkedList(s *session) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "list [EDGE]",
		Short: "List what is parked at an edge, or at all edges",
		Long: `List what edges have parked, as of their newest reports. With -o wide every line
names some of the keys.`,
		Example: `  syncer parked list
  syncer parked list store-1 -o wide
  syncer parked list -c edge.yaml -o json`,
		Args: wants(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			edge := ""
			if len(args) > 0 {
				edge = args[0]
			}
			return listParked(cmd, s, out, edge)
		},
	}
	out.addFlags(cmd)
	return cmd
}

func listParked(cmd *cobra.Command, s *session, out output, edge string) error {
	op, sights, err := s.openParked(cmd, edge)
	if err != nil {
		return err
	}
	defer op.close()
	if edge != "" && len(sights) == 1 && sights[0].item.AgeSeconds == nil {
		return unheard(sights[0].item)
	}
	v := parkedListView{Kind: kind("ParkedList"), Items: groupsOf(sights)}
	var ids []string
	for _, g := range v.Items {
		ids = append(ids, g.ID)
	}
	for _, s := range sights {
		v.ParkedKeys += s.item.ParkedKeys
	}
	if err := out.print(cmd.OutOrStdout(), v, func(p *page) { drawParkedList(p, v.Items, out.wide(), time.Now()) }, ids...); err != nil {
		return err
	}
	if out.forPeople() {
		p := &page{}
		remarkParked(p, sights)
		fmt.Fprint(cmd.ErrOrStderr(), p.String())
	}
	return nil
}

func drawParkedList(p *page, items []parkedView, wide bool, now time.Time) {
	if len(items) == 0 {
		return
	}
	head := plain("GROUP", "EDGE", "WHY", "RULE", "KEYS", "REVISION", "SINCE", "REASON")
	if wide {
		head = append(head, plain("SAMPLE")...)
	}
	rows := [][]cell{head}
	for _, g := range items {
		row := plain(g.ID, g.Edge, why(g.Parked), dash(g.Rule), parkedOf(g.Parked), revision(g.Revision), since(g.Since, now), dash(g.Reason))
		if wide {
			row = append(row, plain(dash(sampleList(g.Parked)))...)
		}
		rows = append(rows, row)
	}
	p.table(rows)
}

// remarkParked says what the table does not.
func remarkParked(p *page, sights []sight) {
	total, unknown := 0, 0
	for _, s := range sights {
		it := s.item
		total += it.ParkedKeys
		if more := beyond(it); more != "" {
			p.line("%s", more)
		}
		if it.AgeSeconds == nil {
			unknown++
			p.line("%s: not known: %s", it.Name, firstOf(it.Reason, "it has never reported"))
		} else if it.State == status.Disconnected {
			p.line("%s: as of its report %s ago", it.Name, age(it.AgeSeconds))
		}
		if guarded := status.Guarded(it.Parked); len(guarded) > 0 {
			p.line("%s: if the deletes are right: syncer resync %s --approve", it.Name, it.Name)
		}
	}
	switch {
	case total == 0 && unknown == 0:
		p.line("Nothing is parked.")
	case total == 0:
		p.line("Nothing is known to be parked.")
	}
}

func why(g status.Parked) string {
	if g.Dropped {
		return g.Why + " (dropped)"
	}
	return g.Why
}

// parkedOf is the number of keys, of how many if that is known.
func parkedOf(g status.Parked) string {
	if g.Of == 0 {
		return fmt.Sprint(g.Keys)
	}
	return fmt.Sprintf("%d of %d", g.Keys, g.Of)
}

func since(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return status.Ago(now.Sub(t)) + " ago"
}
