// Package status is what the exporter and the edges say about themselves: the
// truth behind `syncer status`. Every report carries the time it was made.
package status

import (
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
)

// Format is the version of the reports.
const Format = 1

// State is the state of an edge.
type State string

// The states of an edge, best first.
const (
	// InSync: the target's selection was proven equal to the source's by the
	// newest heartbeat, and nothing newer is known.
	InSync State = "in-sync"
	// CatchingUp: changes are known that are not applied yet.
	CatchingUp State = "catching-up"
	// Bootstrapping: the first copy, or the repair of differing ranges.
	Bootstrapping State = "bootstrapping"
	// ResyncNeeded: a difference is known and its repair has not begun.
	ResyncNeeded State = "resync-needed"
	// Stale: the hub is reachable, but the exporter is silent.
	Stale State = "stale"
	// Disconnected: the edge does not reach the hub, or does not report.
	Disconnected State = "disconnected"
	// Degraded: everything is applied but for parked keys; Reason counts them.
	Degraded State = "degraded"
	// Paused: an operator paused the edge; it receives and applies nothing.
	Paused State = "paused"
	// Halted: the edge cannot apply, or the mass-delete guard stopped a rule;
	// Reason says why and what to try.
	Halted State = "halted"
)

// Edge is the report of one edge.
type Edge struct {
	Format   int    `json:"format"`
	Name     string `json:"name"`
	Source   string `json:"source"`
	Policy   string `json:"policy"`  // by name
	Channel  string `json:"channel"` // whose frames it is fed; "" before the first attach
	Instance string `json:"instance"`
	Version  string `json:"version"`

	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"`
	Try    string `json:"try,omitempty"`

	Lineage          change.Lineage `json:"lineage"`
	AppliedRevision  int64          `json:"appliedRevision"`
	ReceivedRevision int64          `json:"receivedRevision"`
	SourceRevision   int64          `json:"sourceRevision"` // newest the edge has heard of
	VerifiedRevision int64          `json:"verifiedRevision"`
	LagSeconds       float64        `json:"lagSeconds"`
	PendingChanges   int            `json:"pendingChangesets"`
	PendingBytes     int64          `json:"pendingBytes"`
	Consistent       bool           `json:"consistent"`

	Keys   uint64 `json:"keys"`
	Digest string `json:"digest"`
	Tier   string `json:"tier"`

	Gaps       int64 `json:"gaps"`
	Resyncs    int64 `json:"resyncs"`
	Torn       int64 `json:"torn"`
	Replayed   int64 `json:"replayed"`
	Mismatches int64 `json:"mismatches"`

	RangesLeft int   `json:"rangesLeft"`
	BytesLeft  int64 `json:"bytesLeft"`

	// Parked are parked groups, at most MaxParked: those about which the
	// mass-delete guard asks, then the oldest of the others. ParkedKeys
	// counts the keys of all.
	Parked     []Parked `json:"parked,omitempty"`
	ParkedKeys int      `json:"parkedKeys"`
	// LocalKeys are the keys that hold what the edge made of them, as their rules
	// say.
	LocalKeys int `json:"localKeys,omitempty"`
	// Conflicts counts the changes of the edge that met those of the source, by
	// type, since the importer started.
	Conflicts map[string]int64 `json:"conflicts,omitempty"`
	// LocalRevision is the revision of the target up to which what others wrote
	// was dealt with; 0 while the target does not tell.
	LocalRevision int64 `json:"localRevision,omitempty"`
	// Refused is how many objects of the source cannot be read: the edge keeps
	// what it holds of them, which may be old.
	Refused uint64 `json:"refused,omitempty"`
	// Tasks are the newest commands that the edge was given, oldest first.
	Tasks []command.Task `json:"tasks,omitempty"`

	Heartbeat time.Time `json:"heartbeat"` // when the newest heartbeat was sent
	Reported  time.Time `json:"reported"`
}

// The reasons why a group is parked.
const (
	MassDelete = "mass-delete" // the guard asks; syncer resync --approve
	TooLarge   = "too-large"   // the target takes no value of that size
	Forbidden  = "forbidden"   // the target's user may not write the key
	Invalid    = "invalid"     // the target takes no such key or value
	// Rejected: the target's API server says no to the object, in its words.
	Rejected = "rejected"
	// Waiting: the object needs what the target does not have yet: a namespace,
	// a definition, room in a quota, a webhook that answers.
	Waiting = "waiting"
	// NotAccepted is what edge.yaml does not accept.
	NotAccepted = "not-accepted"
	// Conflict: the key was changed at the edge, and its rule says to hold it;
	// syncer conflicts resolve.
	Conflict = "conflict"
	// Fighting: somebody at the edge changes the key back as often as it is put
	// right.
	Fighting = "fighting"
	// EdgeWins and Merged hold what the edge's own change made of the key, as its
	// rule says: nobody has to do anything.
	EdgeWins = "edge-wins"
	Merged   = "merged"
	// Kept: somebody decided that the edge's value stays, until the source
	// changes it.
	Kept = "kept"
)

// Local reports whether a reason is that of a key which was changed at the edge.
func Local(why string) bool {
	return why == Conflict || why == Fighting || why == EdgeWins || why == Merged || why == Kept
}

// Settled reports whether a reason asks nothing of anybody.
func Settled(why string) bool { return why == EdgeWins || why == Merged || why == Kept }

// MaxParked bounds the parked groups of a report, MaxSample the keys of each.
const (
	MaxParked = 20
	MaxSample = 10
)

// Parked is a group of changes that wait for somebody: the keys of one
// changeset, or of one comparison. The target holds what it held before.
type Parked struct {
	ID       string    `json:"id"`
	Why      string    `json:"why"`
	Reason   string    `json:"reason"`
	Try      string    `json:"try,omitempty"`  // what to do, when there is more than to wait
	Rule     string    `json:"rule,omitempty"` // of a mass delete
	Revision int64     `json:"revision"`
	Keys     int       `json:"keys"`
	Of       uint64    `json:"of,omitempty"` // keys of the rule, of a mass delete
	Sample   [][]byte  `json:"sample"`       // the first keys
	Since    time.Time `json:"since"`
	Dropped  bool      `json:"dropped,omitempty"` // not tried again by itself
}

// Exporter is the report of the active exporter of a source.
type Exporter struct {
	Format   int       `json:"format"`
	Source   string    `json:"source"`
	Instance string    `json:"instance"`
	Version  string    `json:"version"`
	Role     string    `json:"role"` // active or standby
	Reported time.Time `json:"reported"`
	Interval float64   `json:"heartbeatSeconds"`

	// Tier is what the source can give: "etcd" tells whole revisions; through
	// "kubernetes" changes come one to two seconds later, and are compared instead
	// of followed when its API server has started anew.
	Tier string `json:"tier,omitempty"`

	SourceRevision int64     `json:"sourceRevision"`
	Channels       []Channel `json:"channels"`
	Reason         string    `json:"reason,omitempty"`
	// Refusals are edges that are paired and have no channel, at most
	// MaxRefusals of them.
	Refusals []Refusal `json:"refusals,omitempty"`
}

// MaxRefusals bounds the refusals of a report.
const MaxRefusals = 50

// Refusal is why an edge has no channel.
type Refusal struct {
	Edge   string `json:"edge"`
	Policy string `json:"policy"` // by name
	Reason string `json:"reason"`
	Try    string `json:"try,omitempty"`
}

// Channel is one channel as its exporter sees it.
type Channel struct {
	Name string `json:"name"`
	// PolicyName is the policy of the channel. One that is filled in per edge
	// has a channel for each result.
	PolicyName string `json:"policyName"`
	// Edges is how many edges attached to it since the exporter is active.
	Edges int `json:"edges"`

	Lineage  change.Lineage `json:"lineage"`
	Revision int64          `json:"revision"` // newest revision published
	Changed  int64          `json:"changed"`  // newest revision that changed a key
	Keys     uint64         `json:"keys"`
	Bytes    uint64         `json:"bytes"`
	Digest   string         `json:"digest"`
	Policy   string         `json:"policy"` // digest of what the channel selects
	Resets   int64          `json:"resets"`
	Pages    int64          `json:"pages"` // digest pages published in this term
	Reason   string         `json:"reason,omitempty"`
	Spool    *Spool         `json:"spool,omitempty"`
	// Trouble is why the channel failed, while it is tried again and the others
	// go on; Try is what to do about it.
	Trouble string `json:"trouble,omitempty"`
	Try     string `json:"try,omitempty"`
	// Released are the keys that edges keep as their own.
	Released uint64 `json:"released,omitempty"`
	// Refused is nil when everything that is selected can be read.
	Refused *Refused `json:"refused,omitempty"`
}

// MaxRefused bounds how many objects that cannot be read a report names.
const MaxRefused = 20

// Refused are objects of the source that a policy selects and that cannot be
// read, or are not what their key says. They do not cross; edges keep what they
// hold of them.
type Refused struct {
	Objects uint64          `json:"objects"`
	First   []RefusedObject `json:"first"`
}

// RefusedObject is an object that cannot be read.
type RefusedObject struct {
	Key    string `json:"key"` // at the source
	Reason string `json:"reason"`
}

// Spool is the history of a channel that an exporter keeps while the hub is
// away.
type Spool struct {
	Bytes     int64  `json:"bytes"`
	MaxBytes  int64  `json:"maxBytes"`
	Revision  int64  `json:"revision"`  // newest one that is spooled, 0 when the spool is empty
	Revisions uint64 `json:"revisions"` // that changed a selected key
	// Full: the newest spool was dropped because it reached MaxBytes.
	Full bool `json:"full,omitempty"`
	// Reason is why the newest spool was dropped, or why nothing is spooled.
	Reason string `json:"reason,omitempty"`
}
