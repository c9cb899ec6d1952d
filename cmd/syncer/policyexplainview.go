package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/syncer-io/syncer/filter"
)

// explanationView is an explanation for programs.
type explanationView struct {
	Kind
	Policy string `json:"policy"`
	Edge   string `json:"edge,omitempty"`
	filter.Explanation
}

func viewExplanation(e filter.Explanation, policy string, edge edgeChoice) explanationView {
	e.Before, e.After = hideSecret(e.Before), hideSecret(e.After)
	return explanationView{Kind: kind("PolicyExplanation"), Policy: policy, Edge: edge.Name, Explanation: e}
}

// hideSecret keeps the values of a Secret out of what people paste elsewhere.
func hideSecret(text json.RawMessage) json.RawMessage {
	fields := objectOf(text)
	if fields["kind"] != "Secret" || fields["apiVersion"] != "v1" {
		return text
	}
	for _, name := range []string{"data", "stringData"} {
		values, _ := fields[name].(map[string]any)
		for key := range values {
			values[key] = "(not shown)"
		}
	}
	hidden, err := json.Marshal(fields)
	if err != nil {
		return nil
	}
	return hidden
}

func objectOf(text json.RawMessage) map[string]any {
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if len(text) == 0 || d.Decode(&fields) != nil {
		return nil
	}
	return fields
}

func (v explanationView) draw(p *page, wide bool) {
	p.line("%s", v.Key)
	p.line("%s", v.verdict())
	if v.Reason != "" {
		p.line("  %s", v.Reason)
	}
	if after := v.fate(); after != "" {
		p.line("  %s", after)
	}
	for _, line := range v.conflicts() {
		p.line("  %s", line)
	}
	p.line("")
	rows := [][]cell{plain("RULE", "SAYS", "WHY")}
	for _, r := range v.Rules {
		rows = append(rows, plain(r.Rule, r.Says, r.Reason))
	}
	p.table(rows)
	v.drawObject(p, wide)
}

func (v explanationView) verdict() string {
	where := "edges"
	if v.Edge != "" {
		where = v.Edge
	}
	switch v.Verdict {
	case "selected":
		return fmt.Sprintf("crosses to %s as %s, by rule %s", where, v.Delivered, v.Rule)
	case "refused":
		return fmt.Sprintf("is refused by rule %s: it would cross to %s, and cannot", v.Rule, where)
	case "left":
		return fmt.Sprintf("does not cross to %s", where)
	default:
		return fmt.Sprintf("does not cross to %s: no rule is about it", where)
	}
}

// conflicts are what becomes of it when an edge changes it, where that is not
// what everybody expects.
func (v explanationView) conflicts() []string {
	var out []string
	switch v.Conflict {
	case filter.EdgeWins:
		out = append(out, "what an edge changes in it stays")
	case filter.Hold:
		out = append(out, "when an edge changes it, it waits for somebody to decide")
	case filter.Merge:
		out = append(out, "what an edge changes in it is merged with what the source changes")
	}
	conditions := map[filter.When]string{
		filter.OnEdgeChange: "that the edge changed", filter.OnEdgePresent: "that the edge has", filter.OnEdgeAdd: "that only the edge has",
	}
	for _, i := range v.Ignore {
		out = append(out, fmt.Sprintf("fields %s are the edge's: %s", conditions[i.When], strings.Join(i.Paths, ", ")))
	}
	return out
}

// fate is what becomes of what edges hold already.
func (v explanationView) fate() string {
	switch {
	case v.Verdict == "refused":
		return "an edge that holds it keeps what it has"
	case v.OnLeave == filter.LeaveOrphan:
		return "an edge that holds it keeps it as its own"
	case v.OnLeave == filter.LeaveDelete:
		return "an edge that holds it deletes it"
	default:
		return ""
	}
}

// drawObject shows what crosses, as the change of what was asked for unless all
// of it is wanted.
func (v explanationView) drawObject(p *page, wide bool) {
	before, after := objectOf(v.Before), objectOf(v.After)
	if after == nil {
		return
	}
	changes, err := yamlDiff("at the source", before, "delivered", after)
	p.line("")
	switch {
	case err != nil:
		p.line("the object cannot be shown: %v", err)
	case before == nil || wide || changes == "":
		p.line("delivered%s:", map[bool]string{true: " as it was asked for"}[changes == ""])
		var text strings.Builder
		if err := printYAML(&text, after); err != nil {
			p.line("  it cannot be shown: %v", err)
			return
		}
		indented(p, text.String())
	default:
		p.line("changes on the way:")
		indented(p, changes)
	}
}

func indented(p *page, text string) {
	for line := range strings.Lines(text) {
		p.line("  %s", strings.TrimSuffix(line, "\n"))
	}
}
