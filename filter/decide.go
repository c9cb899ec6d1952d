package filter

import (
	"errors"
	"strings"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/where"
)

// sighting is a stored value and what has been read of it so far. Reading goes
// as far as rules make it go.
type sighting struct {
	prefix     string // of the cluster
	key, value []byte
	id         object.Key // once readMeta was asked
	meta       *object.Meta
	intent     map[string]any
	status     any // of a custom resource
}

// step is how far a rule came with a value.
type step int

const (
	passed      step = iota // the rule selects it
	mismatched              // the next rule decides
	staysBehind             // the rule has it stay behind
	withheld                // no rule may select it
	unreadable              // nobody can decide
)

// decision is what a rule says of a value, and why.
type decision struct {
	step   step
	reason string
}

// decide holds a value against a rule, the cheap tests first. Only where needs
// the whole object.
func (o *objects) decide(r RuleRange, found *sighting) decision {
	if d := o.decideKey(r, found); d.step != passed {
		return d
	}
	if err := found.readMeta(); err != nil {
		return found.unread(err)
	}
	if o.labels != nil && !o.labels.Matches(found.meta) {
		return decision{mismatched, "its labels do not match"}
	}
	if reason, is := object.Withheld(found.id, *found.meta); is {
		return decision{withheld, reason}
	}
	if o.where == nil {
		return decision{}
	}
	return o.decideWhere(found)
}

// decideKey looks at the namespace and the name, which are in the key.
func (o *objects) decideKey(r RuleRange, found *sighting) decision {
	rest := string(found.key[len(r.storage):])
	namespace, name, namespaced := strings.Cut(rest, "/")
	if !namespaced {
		namespace, name = "", rest
	}
	scope := namespace
	if isNamespaces(r.storage) {
		scope = name
	}
	switch {
	case scope == "" && len(o.namespaces) > 0, scope != "" && !o.inNamespace(scope):
		return decision{mismatched, "its namespace is not selected"}
	case len(o.names) > 0 && !o.names.matches(name):
		return decision{mismatched, "its name is not selected"}
	case scope != "" && o.except.matches(scope):
		return decision{staysBehind, "its namespace stays behind"}
	case o.exceptName.matches(name):
		return decision{staysBehind, "its name stays behind"}
	}
	return decision{}
}

// unread decides about a value whose metadata cannot be read. Nobody needs to
// read what its key withholds.
func (f *sighting) unread(err error) decision {
	if reason, is := object.Withheld(f.id, object.Meta{}); is {
		return decision{withheld, reason}
	}
	return decision{unreadable, refusal(err)}
}

// isNamespaces reports whether keys that start like this are those of
// namespaces.
func isNamespaces(storage string) bool { return strings.HasSuffix(storage, "/namespaces/") }

func (o *objects) decideWhere(found *sighting) decision {
	if err := o.read(found); err != nil {
		return decision{unreadable, refusal(err)}
	}
	matches, err := o.where.Match(found.intent)
	switch {
	case errors.Is(err, where.ErrTooCostly):
		return decision{unreadable, "where: " + err.Error()}
	case err != nil:
		return decision{mismatched, "where: " + err.Error()}
	case !matches:
		return decision{mismatched, "where is false for it"}
	}
	return decision{}
}

// deliver makes what crosses of a value that the rule selects.
func (o *objects) deliver(r RuleRange, found *sighting, orphan bool) Outcome {
	refuse := func(err error) Outcome {
		return Outcome{Verdict: Refused, Rule: r.Place, Orphan: orphan, Reason: refusal(err)}
	}
	if err := o.read(found); err != nil {
		return refuse(err)
	}
	text, err := o.change(found.id.Word(), found.intent)
	if err != nil {
		return refuse(err)
	}
	return Outcome{Verdict: Selected, Key: r.Map(found.key), Value: text, Rule: r.Place}
}

// change makes of an object what is delivered.
func (o *objects) change(word string, intent map[string]any) ([]byte, error) {
	steps := o.transform[word]
	if err := steps.Apply(intent); err != nil {
		return nil, err
	}
	text, err := object.Canonical(intent)
	if err != nil || !steps.Writes() {
		return text, err
	}
	if err := object.Fits(word, text); err != nil {
		return nil, &object.Refusal{
			Reason: "what the transform makes of it is none of " + word + ": " + err.Error(),
			Try:    "correct the transform; until then the object stays at the edge as it is",
		}
	}
	return text, nil
}

// refusal is why a value is refused, and what to do about it.
func refusal(err error) string {
	var r *object.Refusal
	if errors.As(err, &r) && r.Try != "" {
		return r.Reason + "; try: " + r.Try
	}
	return err.Error()
}

func (f *sighting) readMeta() error {
	if f.meta != nil {
		return nil
	}
	id, err := object.ParseKey(f.prefix, f.key)
	if err != nil {
		return err
	}
	f.id = id
	meta, err := object.ReadMeta(f.value)
	if err != nil {
		return err
	}
	if err := meta.At(id); err != nil {
		return err
	}
	f.meta = &meta
	return nil
}

// decode reads the whole object.
func (f *sighting) decode() error {
	if f.intent != nil {
		return nil
	}
	o, err := object.Decode(f.id, f.value)
	if err == nil {
		f.intent, f.status = o.Intent(), o.Status()
	}
	return err
}

// read decodes the whole object, as the rule sees it.
func (o *objects) read(found *sighting) error {
	if err := found.decode(); err != nil {
		return err
	}
	if o.keepStatus && found.status != nil {
		found.intent["status"] = found.status
	} else {
		delete(found.intent, "status")
	}
	return nil
}
