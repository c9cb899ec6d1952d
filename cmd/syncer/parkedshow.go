package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// parkedDetail is one parked group for programs.
type parkedDetail struct {
	Kind
	parkedView
	AllKeys []keyView `json:"allKeys,omitempty"` // with --keys
}

// keyView is a key for programs. Text is there when the key is text.
type keyView struct {
	Key  []byte `json:"key"`
	Text string `json:"text,omitempty"`
}

// parkedShowOptions are taskOptions for asking an edge for all keys.
type parkedShowOptions struct {
	taskOptions
	keys bool
}

func newParkedShow(s *session) *cobra.Command {
	var o parkedShowOptions
	cmd := &cobra.Command{
		Use:   "show GROUP",
		Short: "Show one parked group with its first keys, or with all",
		Long: `Show one parked group as of the edge's newest report, which names its first keys.
With --keys the edge is asked for all of them, a page after the other.

Exit code: 0 shown, 2 no such group, 4 no answer in time, 5 unreachable.`,
		Example: `  syncer parked show GROUP
  syncer parked show GROUP --keys
  syncer parked show GROUP --edge store-1 -o yaml`,
		Args: wants(0, "the ID of a group: syncer parked list"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.show(cmd, s, args[0])
		},
	}
	edgeFlag(cmd, &o.edge)
	cmd.Flags().BoolVar(&o.keys, "keys", false, "name all keys of the group, not only the first")
	o.addFlags(cmd)
	return cmd
}

func edgeFlag(cmd *cobra.Command, edge *string) {
	cmd.Flags().StringVar(edge, "edge", "", "the `name` of the edge; found by the group if it is not given")
}

func (o *parkedShowOptions) show(cmd *cobra.Command, s *session, id string) error {
	op, sights, err := s.openParked(cmd, o.edge)
	if err != nil {
		return err
	}
	defer op.close()
	at, groups, err := find(sights, []string{id})
	if err != nil {
		return err
	}
	v := parkedDetail{Kind: kind("Parked"), parkedView: parkedView{Edge: at.item.Name, Parked: groups[0]}}
	if o.keys {
		if v.AllKeys, err = o.allKeys(cmd, s, op, at, id); err != nil {
			return err
		}
	}
	return o.out.print(cmd.OutOrStdout(), v, func(p *page) { v.draw(p, time.Now()) }, v.ID)
}

// vainPages is how many answers without a key are taken for others that came in
// between.
const vainPages = 3

// allKeys asks an edge for the keys of a group until there are no more.
func (o *parkedShowOptions) allKeys(cmd *cobra.Command, s *session, op operator, at sight, id string) ([]keyView, error) {
	out := []keyView{}
	t := newTeller(cmd, s, output{format: "text"}) // what is printed for programs is the answer alone
	for vain := 0; vain < vainPages; {
		c := command.New(command.Parked)
		c.Groups = []string{id}
		if len(out) > 0 {
			c.After = out[len(out)-1].Key
		}
		e, err := o.ask(cmd, op, at, c, t, over)
		if err := errors.Join(err, e.err, e.failed(fault.Usage)); err != nil {
			return nil, err
		}
		for _, key := range e.task.ParkedKeys {
			out = append(out, keyView{Key: key, Text: textOf(key)})
		}
		if !e.task.More {
			return out, nil
		}
		vain++
		if len(e.task.ParkedKeys) > 0 {
			vain = 0
		}
	}
	return nil, fault.New(fault.General, "run the command at the edge: -c edge.yaml", "the keys of %s behind the first %d do not fit a report", id, len(out))
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
	v.drawKeys(p)
	p.line("Next      %s", v.remedy())
}

func (v parkedDetail) drawKeys(p *page) {
	if v.AllKeys != nil {
		p.line("All keys")
		for _, k := range v.AllKeys {
			p.line("  %s", quoted(k.Key))
		}
		return
	}
	p.line("Sample")
	for _, key := range v.Sample {
		p.line("  %s", quoted(key))
	}
	if rest := v.Keys - len(v.Sample); rest > 0 {
		p.line("  and %d more; all: syncer parked show %s --keys", rest, v.ID)
	}
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
