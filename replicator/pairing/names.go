package pairing

import (
	"regexp"

	"github.com/syncer-io/syncer/replicator/fault"
)

var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ValidName reports whether s may name a source, an edge or a policy: 1 to 63
// lower-case letters, digits and inner dashes. Such a name is always exactly
// one token of a NATS subject.
func ValidName(s string) bool { return namePattern.MatchString(s) }

func checkName(what, s string) error {
	if ValidName(s) {
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
