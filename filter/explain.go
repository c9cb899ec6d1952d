package filter

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/syncer-io/syncer/filter/object"
)

// Explanation says what becomes of one source key, and why.
type Explanation struct {
	Key     string `json:"key"`     // at the source
	Verdict string `json:"verdict"` // selected, left, refused or outside
	Rule    string `json:"rule,omitempty"`
	// Delivered is the key at the edge, when the verdict is selected.
	Delivered string `json:"delivered,omitempty"`
	Reason    string `json:"reason,omitempty"`
	// OnLeave is what edges do that hold the key, when it does not cross.
	OnLeave OnLeave `json:"onLeave,omitempty"`
	// Conflict is who wins when an edge changed what is delivered, Ignore what is
	// left to the edge, when the verdict is selected.
	Conflict Conflict `json:"conflict,omitempty"`
	Ignore   []Ignore `json:"ignore,omitempty"`
	// Rules are all rules in their order, with what each says of the key.
	Rules []RuleExplanation `json:"rules"`
	// Before and After are an object as it was asked for at the source, and as
	// it is delivered.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// RuleExplanation is what one rule says of a key.
type RuleExplanation struct {
	Rule string `json:"rule"`
	// Says is selects, excludes, withholds, cannot read, passes over, or not
	// asked.
	Says   string `json:"says"`
	Reason string `json:"reason,omitempty"`
}

var verdictWords = map[Verdict]string{Outside: "outside", Left: "left", Selected: "selected", Refused: "refused"}

var stepWords = map[step]string{
	passed: "selects", mismatched: "passes over", staysBehind: "excludes", withheld: "withholds", unreadable: "cannot read",
}

// Explain is Take with its reasons.
func (s *Selection) Explain(sourceKey, value []byte) Explanation {
	out := s.Take(sourceKey, value)
	e := Explanation{Key: string(sourceKey), Verdict: verdictWords[out.Verdict], Reason: out.Reason, Delivered: string(out.Key)}
	if out.Rule >= 0 {
		e.Rule = s.rules[out.Rule].Name
	}
	if holder := RuleOf(s.rules, out.Key); out.Verdict == Selected && holder >= 0 {
		e.Conflict, e.Ignore = firstOf(Conflict(s.rules[holder].Conflict), SourceWins), s.rules[holder].Ignore
	}
	if out.Verdict == Left {
		e.OnLeave = LeaveDelete
		if out.Orphan {
			e.OnLeave = LeaveOrphan
		}
	}
	found := sighting{prefix: s.cluster.Prefix, key: sourceKey, value: value}
	e.Rules = s.explainRules(&found)
	if found.readMeta() == nil && s.read(out.Rule, &found) == nil {
		e.Before, _ = object.Canonical(found.intent) // what cannot be said is refused, with the reason
	}
	if out.Verdict == Selected && s.objects[out.Rule] != nil {
		e.After = out.Value
	}
	return e
}

// read decodes an object as the rule that decided sees it, if one did.
func (s *Selection) read(rule int, found *sighting) error {
	if rule >= 0 && s.objects[rule] != nil {
		return s.objects[rule].read(found)
	}
	return found.decode()
}

func (s *Selection) explainRules(found *sighting) []RuleExplanation {
	ranges := map[int]RuleRange{}
	if seg := s.segment(found.key); seg != nil {
		for _, r := range seg.ranges {
			ranges[r.Place] = r
		}
	}
	out := make([]RuleExplanation, len(s.rules))
	decided := ""
	for i, rule := range s.rules {
		r, about := ranges[i]
		out[i] = RuleExplanation{Rule: rule.Name}
		switch {
		case decided != "":
			out[i].Says, out[i].Reason = "not asked", fmt.Sprintf("rule %s has decided", decided)
		case !about:
			out[i].Says, out[i].Reason = stepWords[mismatched], s.whyNotAbout(i, found.key)
		default:
			var d decision
			if o := s.objects[i]; o != nil {
				d = o.decide(r, found)
			}
			out[i].Says, out[i].Reason = stepWords[d.step], d.reason
			if d.step != mismatched {
				decided = rule.Name
			}
		}
	}
	return out
}

// whyNotAbout is why a rule is not about a key.
func (s *Selection) whyNotAbout(rule int, key []byte) string {
	id, err := object.ParseKey(s.cluster.Prefix, key)
	o := s.objects[rule]
	if err == nil && o != nil && slices.ContainsFunc(o.resources, func(r object.Resource) bool { return r.Word == id.Word() }) {
		return "its namespace is not selected"
	}
	return "it is about other keys"
}
