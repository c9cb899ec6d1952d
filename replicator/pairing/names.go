package pairing

import (
	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/fault"
)

func checkName(what, s string) error {
	if filter.ValidName(s) {
		return nil
	}
	return fault.New(fault.Usage,
		"use 1 to 63 lower-case letters, digits and dashes, beginning and ending with a letter or digit",
		"%s %q is not a valid name", what, s)
}

// Consumer is the name of an edge's durable consumer on its source's stream.
func Consumer(edge string) string { return edge }

// JoinSubject is where the bearer of a token asks to join.
func JoinSubject(tokenID string) string { return joinPrefix + tokenID }

const joinPrefix = "syncer.join."

// AppliedSubject is where the hub confirms that a revision of the registry
// decides who may connect; only the hub's admin may ask.
const AppliedSubject = "syncer.hub.applied"
