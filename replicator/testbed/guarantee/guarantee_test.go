package guarantee

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/replicator/testbed/history"
)

// The histories below are written one revision per line:
//
//	5: /f/a=1 -/f/b    a put and a delete at revision 5
//	6: /t/a=1 @5       at the target: the cursor moves to revision 5
//	6: @5!             … and says that it is not consistent
//	6: @5~             … and says that revision 5 is torn
//	6: @M.5            … of lineage M instead of L
//	6: -@              the cursor is deleted
//
// Keys under /f/ are selected, except those under /f/x/, and delivered under
// /t/.
var testRules = Rules{{Prefix: "/f/", Exclude: []string{"/f/x/"}, To: "/t/"}}

const cursorKey = "/syncer/cursor/s/c"

func parse(t *testing.T, text string) history.History {
	t.Helper()
	h := history.History{Base: 1, Content: map[string]string{}}
	for line := range strings.Lines(text) {
		number, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		revision, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		rev := history.Rev{Revision: revision}
		for _, word := range strings.Fields(rest) {
			rev.Events = append(rev.Events, event(word))
		}
		h.Revs = append(h.Revs, rev)
	}
	if err := h.Check(); err != nil {
		t.Fatal(err)
	}
	return h
}

func event(word string) history.Event {
	if word == "-@" {
		return history.Event{Key: cursorKey, Delete: true}
	}
	if cursor, ok := strings.CutPrefix(word, "@"); ok {
		return history.Event{Key: cursorKey, Value: cursor}
	}
	if key, ok := strings.CutPrefix(word, "-"); ok {
		return history.Event{Key: key, Delete: true}
	}
	key, value, _ := strings.Cut(word, "=")
	return history.Event{Key: key, Value: value}
}

func decode(value string) (Cursor, error) {
	cursor := Cursor{Lineage: "L", Consistent: true}
	if strings.HasSuffix(value, "!") {
		cursor.Consistent = false
	}
	torn := strings.HasSuffix(value, "~")
	number := strings.TrimRight(value, "!~")
	if lineage, rest, ok := strings.Cut(number, "."); ok {
		cursor.Lineage, number = lineage, rest
	}
	revision, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return cursor, fmt.Errorf("bad cursor %q", value)
	}
	cursor.Revision = revision
	if torn {
		cursor.Torn = revision
	}
	return cursor, nil
}

var validators = map[string]func(Case) error{
	"prefix": Prefix, "atomic": Atomic, "ordered": Ordered, "once": Once,
	"resumable": Resumable, "contained": Contained, "convergent": Convergent, "absence": Absence,
}

const source = `
	2: /f/a=1 /f/b=1 /o/a=1
	3: /f/x/a=1
	4: /f/a=2 /f/b=2 /f/c=2
	5: -/f/a -/f/b
	6: /f/d=4
	7: /f/d=4`

// stories maps each target history to what each validator finds in it. What is
// not listed must pass.
var stories = []struct {
	name   string
	target string
	finds  map[string]string
}{
	{"each revision by itself", `
		2: /t/a=1 /t/b=1 @2
		3: /t/a=2 /t/b=2 /t/c=2 @4
		4: -/t/a -/t/b @5
		5: /t/d=4 @6
		6: @7`, nil},
	{"several revisions folded into one", `
		2: /t/a=1 /t/b=1 @3
		3: -/t/a -/t/b /t/c=2 /t/d=4 @7`, nil},
	{"bootstrap in pieces", `
		2: @4!
		3: /t/a=2 /t/b=2 @4!
		4: /t/c=2 @4
		5: -/t/a -/t/b @5
		6: /t/d=4 @7`, nil},
	{"a torn revision that says so", `
		2: /t/a=1 /t/b=1 @2
		3: /t/a=2 @4~
		4: /t/b=2 /t/c=2 @4
		5: -/t/a -/t/b /t/d=4 @7`, nil},
	{"a resync after a loss", `
		2: /t/a=1 /t/b=1 @2
		3: @5!
		4: -/t/a -/t/b @5!
		5: /t/c=2 @5
		6: /t/d=4 @7`, nil},
	{"syncer's own keys", `
		2: /t/a=1 /t/b=1 @2
		3: /syncer/ledger/x=1
		4: -/t/a -/t/b /t/c=2 /t/d=4 @7`, nil},

	{"a wrong value", `
		2: /t/a=1 /t/b=9 @2
		3: -/t/a -/t/b /t/c=2 /t/d=4 @7`, map[string]string{
		"prefix": `target revision 2: not the selection at L@2: 1 keys differ, the first is "/t/b": source has "1", target has "9"`}},
	{"an excluded key is delivered", `
		2: /t/a=1 /t/b=1 @2
		3: /t/x/a=1 @3
		4: -/t/a -/t/b /t/c=2 /t/d=4 @7`, map[string]string{
		"contained": `target revision 3: key "/t/x/a" outside the selection is written`}},
	{"a foreign key is deleted", `
		2: /t/a=1 /t/b=1 @2
		3: -/tenant/a
		4: -/t/a -/t/b /t/c=2 /t/d=4 @7`, map[string]string{
		"contained": `target revision 3: key "/tenant/a" outside the selection is deleted`}},
	{"half of a revision", `
		2: /t/a=1 /t/b=1 @2
		3: /t/a=2 /t/b=2 @4
		4: /t/c=2 -/t/a -/t/b /t/d=4 @7`, map[string]string{
		"prefix": `target revision 3: not the selection at L@4: 1 keys differ, the first is "/t/c": source has "2", target has none`,
		"atomic": `target revision 3: source revision 4 is torn: 1 of its 3 keys are not applied, the first is "/t/c"`,
		"once":   `target revision 4: key "/t/c" is applied again: nothing changed it on the way from L@4 to L@7`}},
	{"a key comes early", `
		2: /t/a=1 /t/b=1 @2
		3: /t/a=2 /t/b=2 /t/c=2 /t/d=4 @4
		4: -/t/a -/t/b @7`, map[string]string{
		"prefix": `target revision 3: not the selection at L@4: 1 keys differ, the first is "/t/d": source has none, target has "4"`,
		"atomic": `target revision 3: key "/t/d" changes although no source revision from L@2 to L@4 changes it`,
		"once":   `target revision 3: key "/t/d" is applied again`}},
	{"data without the cursor", `
		2: /t/a=1 /t/b=1 @2
		3: /t/a=2 /t/b=2 /t/c=2
		4: @4
		5: -/t/a -/t/b /t/d=4 @7`, map[string]string{
		"prefix": `target revision 3: not the selection at L@2`,
		"atomic": `target revision 3: key "/t/a" changes without the cursor`,
		"once":   `target revision 3: key "/t/a" is applied again: the cursor stays at L@2`}},
	{"a changeset is skipped", `
		2: /t/a=1 /t/b=1 @2
		3: /t/a=2 /t/b=2 /t/c=2 @4
		4: /t/d=4 @7
		5: @7!
		6: -/t/a -/t/b @7`, map[string]string{
		"prefix":    `target revision 4: not the selection at L@7: 2 keys differ, the first is "/t/a": source has none, target has "2"`,
		"once":      `target revision 4: source revision 5 is skipped: key "/t/a" is not applied on the way from L@4 to L@7`,
		"resumable": `target revision 4: source revision 5 is skipped: key "/t/a"`}},
	{"a changeset is applied again", `
		2: /t/a=1 /t/b=1 @2
		3: /t/a=1 /t/b=1 @2
		4: -/t/a -/t/b /t/c=2 /t/d=4 @7`, map[string]string{
		"once": `target revision 3: key "/t/a" is applied again: the cursor stays at L@2`}},
	{"a changeset is applied again behind a heartbeat", `
		2: /t/a=1 /t/b=1 @2
		3: /t/a=1 /t/b=1 @3
		4: -/t/a -/t/b /t/c=2 /t/d=4 @7`, map[string]string{
		"once": `target revision 3: key "/t/a" is applied again: nothing changed it on the way from L@2 to L@3`}},
	{"the cursor goes back with its data", `
		2: /t/a=2 /t/b=2 /t/c=2 @4
		3: /t/a=1 /t/b=1 -/t/c @2
		4: -/t/a -/t/b /t/c=2 /t/d=4 @7`, map[string]string{
		"ordered":   `target revision 3: key "/syncer/cursor/s/c": the cursor goes back from L@4 to L@2`,
		"once":      `target revision 3: key "/t/a" is applied again: the cursor stays at L@2`,
		"resumable": `target revision 3: the cursor resumes at L@2, before L@4`}},
	{"the cursor goes back in a resync", `
		2: /t/a=2 /t/b=2 /t/c=2 @4
		3: @2!
		4: -/t/a -/t/b /t/d=4 @7`, map[string]string{
		"ordered": `target revision 3: key "/syncer/cursor/s/c": the cursor goes back from L@4 to L@2`}},
	{"the cursor returns to an old lineage", `
		2: /t/c=2 /t/d=4 @7
		3: @M.7
		4: @7`, map[string]string{
		"ordered": `target revision 4: key "/syncer/cursor/s/c": the cursor returns to L@7`}},
	{"the cursor is deleted", `
		2: /t/c=2 /t/d=4 @7
		3: -@
		4: @7`, map[string]string{
		"ordered": `target revision 3: key "/syncer/cursor/s/c": the cursor is deleted at L@7`}},
	{"the cursor is beyond the source", `
		2: /t/c=2 /t/d=4 @7
		3: @9`, map[string]string{
		"prefix":    `target revision 3: cursor L@9: the source never got beyond revision 7`,
		"atomic":    `target revision 3: cursor L@9`,
		"once":      `target revision 3: cursor L@9`,
		"resumable": `target revision 3: cursor L@9`}},
	{"the end is behind", `
		2: /t/a=2 /t/b=2 /t/c=2 @4`, map[string]string{
		"convergent": `target revision 2: cursor L@4 is behind the selection's last change at 6`}},
	{"the end is not consistent", `
		2: /t/c=2 /t/d=4 @7
		3: @7!`, map[string]string{
		"convergent": `target revision 3: cursor L@7 is not consistent`}},
	{"the end has a key too many", `
		2: /t/c=2 /t/d=4 /t/e=1 @7`, map[string]string{
		"prefix":     `target revision 2: not the selection at L@7: 1 keys differ, the first is "/t/e": source has none, target has "1"`,
		"convergent": `target revision 2: 1 keys differ, the first is "/t/e"`}},
	{"the cursor cannot be read", `
		2: /t/c=2 /t/d=4 @7
		3: @nonsense`, map[string]string{
		"prefix": "target revision 3: cursor: bad cursor", "atomic": "target revision 3: cursor: bad cursor",
		"ordered": "target revision 3: cursor: bad cursor", "once": "target revision 3: cursor: bad cursor",
		"resumable": "target revision 3: cursor: bad cursor", "convergent": "target revision 3: cursor: bad cursor",
		"absence": "target revision 3: cursor: bad cursor"}},
	{"a key is deleted that the source has", `
		2: /t/a=1 /t/b=1 @2
		3: /t/a=2 /t/b=2 -/t/c @4
		4: -/t/a -/t/b /t/c=2 /t/d=4 @7`, map[string]string{
		"prefix":  `target revision 3: not the selection at L@4`,
		"atomic":  `target revision 3: source revision 4 is torn`,
		"once":    `target revision 4: key "/t/c" is applied again`,
		"absence": `target revision 3: key "/t/c" is deleted, and the source had it from revision 4 to 4`}},
	{"a resync deletes a key that the source never lacked since", `
		2: /t/a=2 /t/b=2 /t/c=2 @4
		3: @4!
		4: -/t/c @4!
		5: -/t/a -/t/b /t/c=2 @5
		6: /t/d=4 @7`, map[string]string{
		"absence": `target revision 4: key "/t/c" is deleted, and the source had it from revision 4 to 7`}},
	{"there is no cursor", `
		2: /o/x=1`, map[string]string{
		"contained": `key "/o/x"`, "convergent": "there is no cursor"}},
}

func TestValidators(t *testing.T) {
	for _, story := range stories {
		c := Case{
			Source: parse(t, source), Target: parse(t, story.target),
			CursorKey: cursorKey, Decode: decode, Selection: testRules,
		}
		for name, validate := range validators {
			t.Run(story.name+"/"+name, func(t *testing.T) { expect(t, validate(c), name, story.finds[name]) })
		}
	}
}

func expect(t *testing.T, err error, name, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("found what is not there: %v", err)
	case want != "" && err == nil:
		t.Errorf("did not find: %s", want)
	case want != "" && !strings.HasPrefix(err.Error(), name+": "):
		t.Errorf("the error does not name the promise: %v", err)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("found %q, want %q", err, want)
	}
}

func TestCheckFindsNothingInAGoodHistoryAndEverythingInABadOne(t *testing.T) {
	c := Case{
		Source: parse(t, source), Target: parse(t, stories[0].target),
		CursorKey: cursorKey, Decode: decode, Selection: testRules,
	}
	if err := Check(c); err != nil {
		t.Error(err)
	}
	c.Target = parse(t, "2: /t/c=3 @7\n3: /u=1 @5")
	err := Check(c)
	if err == nil {
		t.Fatal("found nothing")
	}
	for _, name := range []string{"prefix", "ordered", "contained", "convergent"} {
		if !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s is missing in %v", name, err)
		}
	}
}

func TestALineageIsComparedWithItsOwnSource(t *testing.T) {
	c := Case{
		Sources: map[string]history.History{
			"L": parse(t, source),
			"M": parse(t, "2: /f/a=1 /f/b=1\n3: /f/z=1"),
		},
		Target:    parse(t, "2: /t/a=1 /t/b=1 @2\n3: @M.2\n4: /t/z=1 @M.3"),
		CursorKey: cursorKey, Decode: decode, Selection: testRules,
	}
	if err := Check(c); err != nil {
		t.Error(err)
	}
	delete(c.Sources, "M")
	if err := Prefix(c); err == nil || !strings.Contains(err.Error(), "no source ever had this lineage") {
		t.Errorf("an unknown lineage gave %v", err)
	}
}

func TestWhatTheTestItselfWroteIsNotHeldAgainstTheReplica(t *testing.T) {
	c := Case{
		Source:    parse(t, source),
		Target:    parse(t, "2: /t/c=2 /t/d=4 @7\n3: /local=1 /t/c=9\n4: /t/c=2"),
		CursorKey: cursorKey, Decode: decode, Selection: testRules,
		Local: func(revision int64) bool { return revision >= 3 },
	}
	for _, validate := range []func(Case) error{Contained, Atomic, Once, Convergent} {
		if err := validate(c); err != nil {
			t.Error(err)
		}
	}
	if Prefix(c) == nil {
		t.Error("prefix holds although a local edit stands in the selection")
	}
}

func TestATargetThatAlreadyHasACursor(t *testing.T) {
	target := parse(t, "2: -/t/a -/t/b @5\n3: /t/d=4 @7")
	target.Content = map[string]string{cursorKey: "4", "/t/a": "2", "/t/b": "2", "/t/c": "2", "/keep": "1"}
	c := Case{Source: parse(t, source), Target: target, CursorKey: cursorKey, Decode: decode, Selection: testRules}
	if err := Check(c); err != nil {
		t.Error(err)
	}
	target.Content["/t/c"] = "8"
	if err := Prefix(c); err == nil || !strings.Contains(err.Error(), "target revision 1: not the selection at L@4") {
		t.Errorf("got %v", err)
	}
}
