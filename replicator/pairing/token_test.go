package pairing

import (
	"fmt"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/replicator/fault"
)

// The text form and the derived key are what edges in the field hold: they
// never change.
func TestTokenIsFrozen(t *testing.T) {
	token := Token{id: [tokenIDLen]byte{1, 2, 3, 4, 5}}
	for i := range token.secret {
		token.secret[i] = byte(i)
	}
	const text = "syn1_aeaqeayeauaacaqdaqcqmbyibefawdanbyhvau666e"
	if got := token.Reveal(); got != text {
		t.Errorf("text is %s, want %s", got, text)
	}
	const key = "UCNMNC3TFWLMQS2HODEOVCNSQ2UQATODSHONGYF42RDJK7J6BIFDAWR3"
	got, err := token.publicKey()
	if err != nil || got != key {
		t.Errorf("public key is %s, %v; want %s", got, err, key)
	}
}

func TestTokenReadsBack(t *testing.T) {
	token := newToken()
	for _, text := range []string{token.Reveal(), strings.ToUpper(token.Reveal()), "  " + token.Reveal() + "\n"} {
		got, err := ParseToken(text)
		if err != nil || got != token {
			t.Errorf("parse %q: %v, %v", text, got, err)
		}
	}
}

func TestTokenFindsEveryTypo(t *testing.T) {
	text := newToken().Reveal()
	for i := range text {
		for _, c := range []string{"", "a", "7", "-"} {
			typo := text[:i] + c + text[i+1:]
			if typo == text {
				continue
			}
			_, err := ParseToken(typo)
			if err == nil {
				t.Fatalf("typo at %d was not found", i)
			}
			if fault.ExitCode(err) != int(fault.Refused) || !strings.HasPrefix(err.Error(), "not a valid token") || fault.Try(err) == "" {
				t.Fatalf("typo at %d: %v", i, err)
			}
			if strings.Contains(err.Error(), text[10:30]) {
				t.Fatalf("the error repeats the token: %v", err)
			}
		}
	}
}

func TestTokenDoesNotPrintItself(t *testing.T) {
	token := newToken()
	secret := base32Lower.EncodeToString(token.secret[:])[:10]
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(verb, token); strings.Contains(out, secret) || strings.Contains(out, token.Reveal()[14:24]) {
			t.Errorf("%s prints the secret: %s", verb, out)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(newToken().Reveal())
	f.Add("syn1_")
	f.Add("syn1_" + strings.Repeat("a", 42))
	f.Add("syn2_aeaqeayeauaacaqdaqcqmbyibefawdanbyhvau666e")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseToken(text)
		if err == nil && token.Reveal() != strings.ToLower(strings.TrimSpace(text)) {
			t.Errorf("%q parses to another token", text)
		}
	})
}
