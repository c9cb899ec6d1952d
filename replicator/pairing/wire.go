package pairing

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/nats-io/nkeys"

	"github.com/syncer-io/syncer/replicator/jetstream"
)

// Grant is the answer to a successful join: who the edge is, and where it finds
// what is for it.
type Grant struct {
	Version  int    `json:"version"` // grantVersion
	Name     string `json:"name"`    // of the edge
	Source   string `json:"source"`
	Channel  string `json:"channel"` // the name of the policy
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
}

const (
	grantVersion = 1
	joinVersion  = 1
)

func (g Grant) validate() error {
	if g.Version != grantVersion {
		return fmt.Errorf("the hub's grant has version %d and this syncer knows %d", g.Version, grantVersion)
	}
	if err := errors.Join(checkName("edge", g.Name), checkName("source", g.Source), checkName("channel", g.Channel)); err != nil {
		return fmt.Errorf("the hub's grant: %w", err)
	}
	if g.Stream != jetstream.Stream(g.Source) || g.Consumer != Consumer(g.Name) {
		return fmt.Errorf("the hub's grant names stream %q and consumer %q, which do not belong to edge %s of source %s",
			g.Stream, g.Consumer, g.Name, g.Source)
	}
	return nil
}

// joinRequest is what the bearer of a token sends. Proof is the edge key's
// signature: nobody can enrol a key that they do not hold.
type joinRequest struct {
	Version  int    `json:"version"` // joinVersion
	EdgeKey  string `json:"edgeKey"`
	Proof    []byte `json:"proof"`
	Hostname string `json:"hostname,omitempty"`
	Software string `json:"software,omitempty"`
}

func proofText(tokenID, edgeKey string) []byte {
	return []byte("syncer join v1\n" + tokenID + "\n" + edgeKey + "\n")
}

func newJoinRequest(tokenID string, edge nkeys.KeyPair) (joinRequest, error) {
	pub, err := edge.PublicKey()
	if err != nil {
		return joinRequest{}, err
	}
	proof, err := edge.Sign(proofText(tokenID, pub))
	if err != nil {
		return joinRequest{}, err
	}
	return joinRequest{Version: joinVersion, EdgeKey: pub, Proof: proof}, nil
}

func decodeJoinRequest(tokenID string, b []byte) (joinRequest, error) {
	var q joinRequest
	if err := json.Unmarshal(b, &q); err != nil {
		return q, fmt.Errorf("join request: %w", err)
	}
	if q.Version != joinVersion {
		return q, fmt.Errorf("join request has version %d and this hub knows %d", q.Version, joinVersion)
	}
	if !nkeys.IsValidPublicUserKey(q.EdgeKey) {
		return q, errors.New("join request: the edge's key is not a public user nkey")
	}
	pub, err := nkeys.FromPublicKey(q.EdgeKey)
	if err != nil {
		return q, fmt.Errorf("join request: %w", err)
	}
	if err := pub.Verify(proofText(tokenID, q.EdgeKey), q.Proof); err != nil {
		return q, fmt.Errorf("join request: the edge does not hold the key it presents: %w", err)
	}
	q.Hostname, q.Software = printable(q.Hostname, 253), printable(q.Software, 64)
	return q, nil
}

// joinAnswer carries a grant, or says why there is none.
type joinAnswer struct {
	Version int    `json:"version"` // joinVersion
	Grant   *Grant `json:"grant,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Try     string `json:"try,omitempty"`
	Busy    bool   `json:"busy,omitempty"` // the hub could not decide; ask again
}

func decodeJoinAnswer(b []byte) (joinAnswer, error) {
	var a joinAnswer
	if err := json.Unmarshal(b, &a); err != nil {
		return a, fmt.Errorf("the hub's answer: %w", err)
	}
	if a.Version != joinVersion {
		return a, fmt.Errorf("the hub's answer has version %d and this syncer knows %d", a.Version, joinVersion)
	}
	if a.Grant == nil && a.Reason == "" {
		return a, errors.New("the hub's answer holds neither a grant nor a reason")
	}
	a.Reason, a.Try = printable(a.Reason, 1024), printable(a.Try, 1024)
	if a.Grant != nil {
		return a, a.Grant.validate()
	}
	return a, nil
}

// printable bounds text that came from the other side and takes out what could
// steer a terminal or forge a log line.
func printable(s string, limit int) string {
	clean := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(clean) > limit {
		clean = strings.ToValidUTF8(clean[:limit], "")
	}
	return clean
}
