package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/status"
)

// taskView is a task for programs.
type taskView struct {
	Kind
	Edge string `json:"edge"`
	command.Task
	Samples    []sampleView    `json:"samples,omitempty"`
	ETASeconds *float64        `json:"etaSeconds"` // null: not known
	EdgeState  status.State    `json:"edgeState"`
	EdgeReason string          `json:"edgeReason,omitempty"`
	Released   []status.Parked `json:"released,omitempty"` // of approve: what it was about
	Error      string          `json:"error,omitempty"`    // why it could not be seen through
}

// taskSent is the state of a task that the edge does not tell of yet.
const taskSent command.State = "sent"

// sampleView is a key that differs. Text is there when the key is one.
type sampleView struct {
	How  string `json:"how"`
	Key  []byte `json:"key"`
	Text string `json:"text,omitempty"`
}

// taskListView is the last line of a command about many edges.
type taskListView struct {
	Kind
	Items []taskView `json:"items"`
}

func viewTask(e *errand) taskView {
	v := taskView{Kind: kind("Task"), Edge: e.edge, Task: e.task, EdgeState: e.sight.item.State, EdgeReason: e.sight.item.Reason}
	v.ID, v.Verb = e.command.ID, e.command.Verb
	if !e.seen() {
		v.State = taskSent
		if e.sent.IsZero() {
			v.State = command.Failed
		}
	}
	for _, s := range e.task.Samples {
		sv := sampleView{How: s.How, Key: s.Key}
		if utf8.Valid(s.Key) {
			sv.Text = string(s.Key)
		}
		v.Samples = append(v.Samples, sv)
	}
	v.Task.Samples = nil
	if eta, ok := e.task.ETA(); ok {
		left := eta.Round(100 * time.Millisecond).Seconds()
		v.ETASeconds = &left
	}
	if e.err != nil {
		v.Error = e.err.Error()
	}
	return v
}

// teller shows how errands go on, and what came of them.
type teller struct {
	out      output
	stdout   io.Writer
	progress *progress
	told     map[string]string // the gist of each edge's newest line, for programs
}

func newTeller(cmd *cobra.Command, s *session, out output) *teller {
	return &teller{out: out, stdout: cmd.OutOrStdout(), progress: newProgress(cmd.ErrOrStderr(), s.env), told: map[string]string{}}
}

// step shows how far errands are: a line for each change for programs, one
// line of progress for people.
func (t *teller) step(errands []*errand) {
	if t.out.format == "json" {
		for _, e := range errands {
			if !e.ended || len(errands) > 1 {
				t.line(viewTask(e))
			}
		}
		return
	}
	if !allEnded(errands) {
		t.progress.tell(inOneLine(errands))
	}
}

// line prints a task that has changed. That time has passed is no change.
func (t *teller) line(v taskView) {
	gist := v
	gist.ETASeconds, gist.EdgeReason = nil, ""
	raw, err := json.Marshal(gist)
	if err != nil || t.told[v.Edge] == string(raw) {
		return
	}
	t.told[v.Edge] = string(raw)
	_ = printLine(t.stdout, v) // what cannot be written now cannot be told either
}

// result shows what came of one errand: for programs the last line is it.
func (t *teller) result(v taskView, text func(*page)) error {
	t.progress.clear()
	if t.out.format == "json" {
		return printLine(t.stdout, v)
	}
	return t.out.print(t.stdout, v, text, v.Edge)
}

// results shows what came of the errands of many edges.
func (t *teller) results(errands []*errand, text func(*page)) error {
	t.progress.clear()
	list := taskListView{Kind: kind("TaskList"), Items: []taskView{}}
	var edges []string
	for _, e := range errands {
		list.Items = append(list.Items, viewTask(e))
		edges = append(edges, e.edge)
	}
	if t.out.format == "json" {
		return printLine(t.stdout, list)
	}
	return t.out.print(t.stdout, list, text, edges...)
}

// inOneLine is the progress of errands.
func inOneLine(errands []*errand) string {
	if len(errands) == 1 {
		return errands[0].inOneLine()
	}
	ended, waiting := 0, []string{}
	for _, e := range errands {
		if e.ended {
			ended++
		} else if len(waiting) < 3 {
			waiting = append(waiting, e.edge)
		}
	}
	return fmt.Sprintf("%d of %d edges have answered; waiting for %s", ended, len(errands), strings.Join(waiting, ", "))
}

func (e *errand) inOneLine() string {
	switch {
	case !e.seen():
		return e.lastSeen()
	case e.task.State.Ended():
		return fmt.Sprintf("%s: %s %s; the edge is %s%s", e.edge, e.command.Verb, describeTask(e.task), e.sight.item.State, because(e.sight.item.Reason))
	default:
		return fmt.Sprintf("%s: %s %s%s", e.edge, e.command.Verb, describeTask(e.task), e.paused())
	}
}
