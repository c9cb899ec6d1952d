package pairing

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/syncer-io/syncer/replicator/jetstream"
)

// State is where a pair stands.
type State string

// The states of a pair, in the order they are reached.
const (
	Offered State = "offered" // a token waits to be used
	Paired  State = "paired"  // an edge used it and may connect
	Removed State = "removed" // neither the token nor the edge is let in any more
)

// Record is what the registry holds about one pair. Times are UTC. It holds no
// secret: the keys are public.
type Record struct {
	Version  int       `json:"version"` // recordVersion
	Name     string    `json:"name"`    // of the edge, and of its consumer
	Source   string    `json:"source"`
	Policy   string    `json:"policy"`
	State    State     `json:"state"`
	TokenID  string    `json:"tokenId"`
	TokenKey string    `json:"tokenKey"` // public nkey that the token's bearer connects as
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires"` // of the token, not of the pair

	// Labels of the edge, for policies that are filled in per edge.
	Labels map[string]string `json:"labels,omitempty"`

	Used     time.Time `json:"used,omitzero"`
	EdgeKey  string    `json:"edgeKey,omitempty"` // public nkey that the edge made
	Hostname string    `json:"hostname,omitempty"`
	Software string    `json:"software,omitempty"` // version of syncer that joined

	RemovedAt time.Time `json:"removedAt,omitzero"`
}

const recordVersion = 1

// Expired reports whether the pair is an offer whose time is over.
func (r Record) Expired(now time.Time) bool {
	return r.State == Offered && !now.Before(r.Expires)
}

// Grant is what an edge of this pair is told.
func (r Record) Grant() Grant {
	return Grant{
		Version:  grantVersion,
		Name:     r.Name,
		Source:   r.Source,
		Channel:  r.Policy,
		Stream:   jetstream.Stream(r.Source),
		Consumer: Consumer(r.Name),
	}
}

func encodeRecord(r Record) ([]byte, error) {
	r.Version = recordVersion
	if err := r.validate(); err != nil {
		return nil, err
	}
	return json.Marshal(r)
}

func decodeRecord(b []byte) (Record, error) {
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return Record{}, fmt.Errorf("pair record: %w", err)
	}
	if v.Version != recordVersion {
		return Record{}, fmt.Errorf("pair record has version %d and this syncer knows %d", v.Version, recordVersion)
	}
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return Record{}, fmt.Errorf("pair record: %w", err)
	}
	if err := r.validate(); err != nil {
		return Record{}, err
	}
	return r, nil
}

// validate keeps out what would become a wrong subject or a wrong permission.
func (r Record) validate() error {
	if err := errors.Join(checkName("edge", r.Name), checkName("source", r.Source), checkName("policy", r.Policy), checkLabels(r.Labels)); err != nil {
		return fmt.Errorf("pair record: %w", err)
	}
	if !validTokenID(r.TokenID) {
		return fmt.Errorf("pair record %s: token id %q is not valid", r.Name, r.TokenID)
	}
	if !nkeys.IsValidPublicUserKey(r.TokenKey) {
		return fmt.Errorf("pair record %s: token key is not a public user nkey", r.Name)
	}
	if r.EdgeKey != "" && (!nkeys.IsValidPublicUserKey(r.EdgeKey) || r.EdgeKey == r.TokenKey) {
		return fmt.Errorf("pair record %s: edge key is not a public user nkey of its own", r.Name)
	}
	return r.validateState()
}

func (r Record) validateState() error {
	switch r.State {
	case Offered:
		if r.EdgeKey != "" {
			return fmt.Errorf("pair record %s: offered, yet it has an edge key", r.Name)
		}
	case Paired:
		if r.EdgeKey == "" {
			return fmt.Errorf("pair record %s: paired, yet it has no edge key", r.Name)
		}
	case Removed:
	default:
		return fmt.Errorf("pair record %s: unknown state %q", r.Name, r.State)
	}
	if r.Created.IsZero() || r.Expires.IsZero() {
		return errors.New("pair record " + r.Name + ": no creation or expiry time")
	}
	return nil
}

func validTokenID(s string) bool {
	raw, err := base32Lower.DecodeString(s)
	return err == nil && len(raw) == tokenIDLen && base32Lower.EncodeToString(raw) == s
}
