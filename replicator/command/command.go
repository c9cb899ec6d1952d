// Package command is what an operator asks of an edge, and what the edge tells
// of it.
//
// A command travels to the importer in the order of the frames (a KindCommand
// frame on the edge's own subject), so that it reaches an edge that is offline
// when it comes back; at the edge itself it goes over the importer's control
// socket. Either way the importer tells of it as a [Task] in its status.
package command

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
)

// Format is the version of the form of commands. A reader refuses another one.
const Format = 1

// Verb is what to do.
type Verb string

// The verbs.
const (
	Resync  Verb = "resync"  // compare, and bring over what differs
	Plan    Verb = "plan"    // compare, and say what a resync would do
	Verify  Verb = "verify"  // compare, and say whether the sides are equal
	Diff    Verb = "diff"    // compare, and name keys that differ
	Approve Verb = "approve" // carry out the deletes that the guard parked
	Pause   Verb = "pause"   // apply nothing until Resume; receiving goes on
	Resume  Verb = "resume"
	Retry   Verb = "retry" // try parked groups again
	Drop    Verb = "drop"  // try parked groups no more
	// Parked tells of the keys of a parked group.
	Parked Verb = "parked"
	// Conflicts tells of conflicts that are on record.
	Conflicts Verb = "conflicts"
	// Resolve says what keys that are in conflict shall hold.
	Resolve Verb = "resolve"
)

var verbs = []Verb{Resync, Plan, Verify, Diff, Approve, Pause, Resume, Retry, Drop, Parked, Conflicts, Resolve}

// Compares reports whether the verb compares the two sides. One such task runs
// at a time; others wait for it.
func (v Verb) Compares() bool { return v == Resync || v == Plan || v == Verify || v == Diff }

// Command is one request. The ID names it and its Task: an edge that gets the
// same ID twice does it once.
type Command struct {
	Format int    `json:"format"`
	ID     string `json:"id"`
	Verb   Verb   `json:"verb"`
	// Prefix limits Resync, Plan, Verify and Diff to the delivered keys that
	// begin with it. Empty is all of the selection.
	Prefix string `json:"prefix,omitempty"`
	// Full has Resync bring over every key, whether it differs or not.
	Full bool `json:"full,omitempty"`
	// Deep has Verify read the target and the source themselves, not only
	// what both sides remember of them.
	Deep bool `json:"deep,omitempty"`
	// Groups are the parked groups that Approve, Retry and Drop are about. They
	// are named one by one: what is parked later was not meant. Parked is about
	// one.
	Groups []string `json:"groups,omitempty"`
	// After has Parked tell of the keys behind this one. Empty: from the first on.
	After []byte `json:"after,omitempty"`
	// Query says which conflicts Conflicts tells of. None: the newest.
	Query *Query `json:"query,omitempty"`
	// Keys are the delivered keys that Resolve is about.
	Keys [][]byte `json:"keys,omitempty"`
	// Take says what the keys of Resolve shall hold.
	Take Take `json:"take,omitempty"`
	// Value is what the only key shall hold, with TakeValue.
	Value []byte `json:"value,omitempty"`
	// Record is the ID of the record whose value the only key shall hold again,
	// with TakeRecord.
	Record uint64 `json:"record,omitempty"`
}

// New makes a command with an ID of its own.
func New(verb Verb) Command { return Command{Format: Format, ID: rand.Text(), Verb: verb} }

// Limits of a command from elsewhere.
const (
	maxID     = 64
	maxPrefix = 4 << 10
	maxGroups = 1000
)

// Decode reads an encoded command and refuses one that is not well-formed.
func Decode(raw []byte) (Command, error) {
	var c Command
	if err := json.Unmarshal(raw, &c); err != nil {
		return Command{}, fmt.Errorf("decode a command: %w", err)
	}
	return c, c.Check()
}

// Encode is the command as Decode reads it.
func (c Command) Encode() ([]byte, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode command %s: %w", c.Verb, err)
	}
	return raw, nil
}

// Check says what is wrong with a command.
func (c Command) Check() error {
	switch {
	case c.Format != Format:
		return fmt.Errorf("the command has format %d, this version reads format %d", c.Format, Format)
	case c.ID == "" || len(c.ID) > maxID:
		return fmt.Errorf("a command has an ID of 1 to %d characters, not %d", maxID, len(c.ID))
	case !slices.Contains(verbs, c.Verb):
		return fmt.Errorf("unknown command %q", c.Verb)
	case len(c.Prefix) > maxPrefix:
		return fmt.Errorf("a prefix of %d bytes, at most %d", len(c.Prefix), maxPrefix)
	case len(c.Groups) > maxGroups:
		return fmt.Errorf("%d groups, at most %d", len(c.Groups), maxGroups)
	case len(c.Groups) == 0 && (c.Verb == Approve || c.Verb == Retry || c.Verb == Drop):
		return fmt.Errorf("%s names the groups that it is about", c.Verb)
	case c.Verb == Parked && len(c.Groups) != 1:
		return fmt.Errorf("%s is about one group, not about %d", c.Verb, len(c.Groups))
	case c.Verb == Conflicts && c.Query != nil:
		return c.Query.check()
	case c.Verb == Resolve:
		return c.checkResolve()
	}
	return nil
}
