package pairing

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/syncer-io/syncer/replicator/fault"
)

// The text of a token is the prefix and then, in lower-case base32,
//
//	| format 1 | id 5 | secret 16 | checksum 4 |   bytes
//
// The fixed prefix lets scanners find leaked tokens; the checksum tells a typo
// from a token that the hub does not know.
const (
	tokenPrefix  = "syn1_"
	tokenFormat  = 1
	tokenIDLen   = 5
	secretLen    = 16
	checksumLen  = 4
	tokenBodyLen = 1 + tokenIDLen + secretLen
)

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Token is the secret that lets one edge join once. Whoever holds it can take
// that edge's place until it is used or expires, so it prints redacted:
// [Token.Reveal] gives the text to hand over.
type Token struct {
	id     [tokenIDLen]byte
	secret [secretLen]byte
}

func newToken() Token {
	var t Token
	_, _ = rand.Read(t.id[:]) // never fails: crypto/rand aborts the program instead
	_, _ = rand.Read(t.secret[:])
	return t
}

// ID names the token without giving it away: 8 lower-case characters.
func (t Token) ID() string { return base32Lower.EncodeToString(t.id[:]) }

// String is the redacted form, fit for logs.
func (t Token) String() string { return tokenPrefix + "[" + t.ID() + "]" }

// GoString keeps the secret out of %#v.
func (t Token) GoString() string { return t.String() }

// Reveal is the text that the edge's operator types.
func (t Token) Reveal() string {
	body := t.body()
	return tokenPrefix + base32Lower.EncodeToString(append(body, checksum(body)...))
}

func (t Token) body() []byte {
	body := make([]byte, 0, tokenBodyLen+checksumLen)
	body = append(body, tokenFormat)
	body = append(body, t.id[:]...)
	return append(body, t.secret[:]...)
}

func checksum(body []byte) []byte {
	sum := sha256.Sum256(append([]byte("syncer join token\x00"), body...))
	return sum[:checksumLen]
}

// key is the NATS user that the token's bearer connects as.
func (t Token) key() (nkeys.KeyPair, error) {
	raw, err := hkdf.Key(sha256.New, t.secret[:], t.id[:], "syncer join token nkey v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of token %s: %w", t.ID(), err)
	}
	kp, err := nkeys.FromRawSeed(nkeys.PrefixByteUser, raw)
	if err != nil {
		return nil, fmt.Errorf("derive the key of token %s: %w", t.ID(), err)
	}
	return kp, nil
}

// Seed is the seed of the NATS user that the token's bearer connects as. The
// caller clears it.
func (t Token) Seed() ([]byte, error) {
	kp, err := t.key()
	if err != nil {
		return nil, err
	}
	defer kp.Wipe()
	return cloneSeed(kp)
}

func (t Token) publicKey() (string, error) {
	kp, err := t.key()
	if err != nil {
		return "", err
	}
	defer kp.Wipe()
	return kp.PublicKey()
}

// ParseToken reads what Reveal wrote; surrounding space and letter case do not
// matter. The errors never repeat the token.
func ParseToken(text string) (Token, error) {
	t, err := parseToken(text)
	if err != nil {
		return Token{}, fault.New(fault.Refused,
			"copy the whole token again from the output of: syncer pair create",
			"not a valid token: %w", err)
	}
	return t, nil
}

func parseToken(text string) (Token, error) {
	var t Token
	rest, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(text)), tokenPrefix)
	if !ok {
		return t, fmt.Errorf("it does not begin with %s", tokenPrefix)
	}
	want := base32Lower.EncodedLen(tokenBodyLen + checksumLen)
	if len(rest) != want {
		return t, fmt.Errorf("it has %d characters after %s, not %d", len(rest), tokenPrefix, want)
	}
	raw, err := base32Lower.DecodeString(rest)
	if err != nil || base32Lower.EncodeToString(raw) != rest {
		return t, errors.New("it holds a character that tokens do not use")
	}
	body, sum := raw[:tokenBodyLen], raw[tokenBodyLen:]
	if !bytes.Equal(sum, checksum(body)) {
		return t, errors.New("its checksum does not match, so a character is wrong or missing")
	}
	if body[0] != tokenFormat {
		return t, fmt.Errorf("its format is %d and this syncer knows %d", body[0], tokenFormat)
	}
	copy(t.id[:], body[1:])
	copy(t.secret[:], body[1+tokenIDLen:])
	return t, nil
}
