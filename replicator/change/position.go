package change

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strings"
)

// Lineage names one unbroken history of a source. A restored or replaced
// source starts a new one. The zero value means "none".
type Lineage [10]byte

var lineageText = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewLineage draws a random lineage.
func NewLineage() Lineage {
	var l Lineage
	_, _ = rand.Read(l[:]) // never fails: crypto/rand aborts the program instead
	return l
}

// IsZero reports whether l names no history.
func (l Lineage) IsZero() bool { return l == Lineage{} }

// String is 16 lower-case letters and digits, or "" for the zero lineage.
func (l Lineage) String() string {
	if l.IsZero() {
		return ""
	}
	return strings.ToLower(lineageText.EncodeToString(l[:]))
}

// ParseLineage reads what String wrote.
func ParseLineage(s string) (Lineage, error) {
	var l Lineage
	if s == "" {
		return l, nil
	}
	b, err := lineageText.DecodeString(strings.ToUpper(s))
	// The decoder passes over line ends, so the length of s counts as well.
	if err != nil || len(b) != len(l) || len(s) != lineageText.EncodedLen(len(l)) {
		return l, fmt.Errorf("lineage %q is not 16 base32 characters", s)
	}
	copy(l[:], b)
	return l, nil
}

// MarshalText implements encoding.TextMarshaler.
func (l Lineage) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Lineage) UnmarshalText(b []byte) error {
	v, err := ParseLineage(string(b))
	if err != nil {
		return err
	}
	*l = v
	return nil
}

// Position is where something stands: a revision of one source history.
// Revisions of different lineages are not comparable.
type Position struct {
	Lineage  Lineage `json:"lineage"`
	Revision int64   `json:"revision"`
}

// IsZero reports whether the position stands nowhere.
func (p Position) IsZero() bool { return p.Lineage.IsZero() && p.Revision == 0 }

func (p Position) String() string {
	if p.IsZero() {
		return "nowhere"
	}
	return fmt.Sprintf("%s@%d", p.Lineage, p.Revision)
}
