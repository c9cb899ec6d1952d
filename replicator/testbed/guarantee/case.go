package guarantee

import (
	"errors"
	"fmt"
	"strings"

	"github.com/syncer-io/syncer/replicator/testbed/history"
)

// Cursor is what the target says about itself in the cursor key.
type Cursor struct {
	Lineage  string
	Revision int64
	// Consistent is false while ranges are missing, in a bootstrap or resync.
	Consistent bool
	// Torn is nonzero while the target stands inside a source revision that is
	// applied in several target revisions.
	Torn int64
}

func (c Cursor) String() string { return fmt.Sprintf("%s@%d", c.Lineage, c.Revision) }

// whole reports whether the target claims to equal the source.
func (c Cursor) whole() bool { return c.Consistent && c.Torn == 0 }

// Case is what the validators judge.
type Case struct {
	// Source is the history of the source. Sources, when given, has one history
	// for each lineage and takes precedence.
	Source  history.History
	Sources map[string]history.History
	Target  history.History

	// CursorKey is the key at the target that holds the cursor, and Decode
	// reads its value.
	CursorKey string
	Decode    func(value string) (Cursor, error)

	Selection Selection

	// Local reports whether the test itself wrote a target revision. What it
	// wrote is not held against the replica. It may be nil.
	Local func(revision int64) bool
}

// Selection says which source keys are replicated and where to.
type Selection interface {
	// Map gives the delivered key of a source key, or false when the key is not
	// selected. Two source keys never have the same delivered key.
	Map(source string) (delivered string, ok bool)
	// Owns reports whether a target key can be a delivered key.
	Owns(target string) bool
}

// Except is a selection without some delivered keys: those that somebody at the
// target has written, of which it holds what both made of them.
type Except struct {
	Selection
	Keys map[string]bool
}

// Map implements Selection.
func (x Except) Map(source string) (string, bool) {
	key, ok := x.Selection.Map(source)
	return key, ok && !x.Keys[key]
}

// Owns implements Selection.
func (x Except) Owns(target string) bool { return x.Selection.Owns(target) && !x.Keys[target] }

// Rules is a selection by prefix. At most one rule may apply to a key.
type Rules []Rule

// Rule selects the source keys under a prefix.
type Rule struct {
	Prefix  string
	Exclude []string // source prefixes
	To      string   // target prefix; empty is Prefix
}

func (r Rule) to() string {
	if r.To == "" {
		return r.Prefix
	}
	return r.To
}

func (r Rule) selects(key string) bool {
	if !strings.HasPrefix(key, r.Prefix) {
		return false
	}
	for _, x := range r.Exclude {
		if strings.HasPrefix(key, x) {
			return false
		}
	}
	return true
}

// Map implements Selection.
func (r Rules) Map(source string) (string, bool) {
	for _, rule := range r {
		if rule.selects(source) {
			return rule.to() + strings.TrimPrefix(source, rule.Prefix), true
		}
	}
	return "", false
}

// Owns implements Selection.
func (r Rules) Owns(target string) bool {
	for _, rule := range r {
		if rest, ok := strings.CutPrefix(target, rule.to()); ok && rule.selects(rule.Prefix+rest) {
			return true
		}
	}
	return false
}

// Check runs every validator and joins what they found.
func Check(c Case) error {
	return errors.Join(
		Prefix(c), Atomic(c), Ordered(c), Once(c), Resumable(c), Contained(c), Convergent(c), Absence(c),
	)
}

// source is the history that a cursor speaks of.
func (c Case) source(cursor Cursor) (history.History, error) {
	if c.Sources == nil {
		return c.Source, nil
	}
	h, ok := c.Sources[cursor.Lineage]
	if !ok {
		return h, fmt.Errorf("cursor %s: no source ever had this lineage", cursor)
	}
	return h, nil
}

func (c Case) local(revision int64) bool { return c.Local != nil && c.Local(revision) }

// selected keeps the selected keys of a source content, as delivered.
func (c Case) selected(content map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range content {
		if delivered, ok := c.Selection.Map(key); ok {
			out[delivered] = value
		}
	}
	return out
}

// owned keeps the keys of a target content that belong to the selection.
func (c Case) owned(content map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range content {
		if c.Selection.Owns(key) {
			out[key] = value
		}
	}
	return out
}

// selectedEvents keeps the changes of the selection in a source revision, under
// their delivered keys.
func (c Case) selectedEvents(rev history.Rev) []history.Event {
	var out []history.Event
	for _, e := range rev.Events {
		if delivered, ok := c.Selection.Map(e.Key); ok {
			e.Key = delivered
			out = append(out, e)
		}
	}
	return out
}
