package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
)

func (o *resyncOptions) runPlan(cmd *cobra.Command, op operator, s sight, c command.Command, t *teller) error {
	e, err := o.ask(cmd, op, s, c, t, over)
	if err != nil {
		return err
	}
	if err := t.result(viewTask(e), func(p *page) { o.drawPlan(p, e) }); err != nil {
		return err
	}
	switch {
	case e.err != nil:
		return e.err
	case e.task.State == command.Failed:
		return e.failed(fault.Check)
	case o.out.forPeople() && e.task.Put+e.task.Delete > 0:
		fmt.Fprintf(cmd.ErrOrStderr(), "Nothing was changed. Next: syncer resync %s%s --wait\n", e.edge, o.again())
	}
	return nil
}

// again is the scope as it was given.
func (o *resyncOptions) again() string {
	out := ""
	if o.prefix != "" {
		out += " --prefix " + shellWord(o.prefix)
	}
	if o.full {
		out += " --full"
	}
	return out
}

func (o *resyncOptions) drawPlan(p *page, e *errand) {
	t := e.task
	if !e.told() {
		return
	}
	p.line("%s compared with the source at revision %s", e.edge, revision(t.Revision))
	p.table([][]cell{
		plain("  equal", keys(t.Equal)),
		plain("  put", keys(t.Put)),
		plain("  delete", keys(t.Delete)),
		plain("  transfer", transfer(t)),
		plain("  link", speed(t)),
		plain("  time", planTime(t)),
	})
	drawParkedScope(p, e)
	if t.Put+t.Delete == 0 && t.Parked == 0 {
		p.line("There is nothing to do.")
	}
}

func transfer(t command.Task) string {
	if t.Bytes <= 0 {
		return "nothing"
	}
	return fmt.Sprintf("about %s, %s before compression", size(t.Transfer), size(t.Bytes))
}

func speed(t command.Task) string {
	if t.Speed <= 0 {
		return "unknown: nothing was measured yet"
	}
	return size(int64(t.Speed)) + "/s measured"
}

func planTime(t command.Task) string {
	if t.Bytes <= 0 {
		return "none"
	}
	if eta, ok := t.ETA(); ok {
		return "about " + roughly(eta)
	}
	return "unknown"
}

// shellWord is a text as a shell takes it for one word.
func shellWord(text string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._:-=@,+", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !safe(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
