package digest_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/digest"
)

var drawSum = rapid.Custom(func(t *rapid.T) (s digest.Sum) {
	// Bytes of all ones and all zeros make carries run far.
	b := rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0, 0xff}))
	copy(s[:], rapid.SliceOfN(b, len(s), len(s)).Draw(t, "sum"))
	return s
})

// modulus is 2^256.
var modulus = new(big.Int).Lsh(big.NewInt(1), 256)

func number(s digest.Sum) *big.Int { return new(big.Int).SetBytes(s[:]) }

func TestSumIsAdditionModulo2To256(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSum.Draw(t, "a"), drawSum.Draw(t, "b")
		want := new(big.Int).Add(number(a), number(b))
		if got := number(a.Add(b)); got.Cmp(want.Mod(want, modulus)) != 0 {
			t.Fatalf("%x + %x = %x, want %x", a, b, got, want)
		}
		want = new(big.Int).Sub(number(a), number(b))
		if got := number(a.Sub(b)); got.Cmp(want.Mod(want, modulus)) != 0 {
			t.Fatalf("%x - %x = %x, want %x", a, b, got, want)
		}
	})
}

func TestSumIsAGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawSum.Draw(t, "a"), drawSum.Draw(t, "b"), drawSum.Draw(t, "c")
		zero := digest.Sum{}
		switch {
		case a.Add(b) != b.Add(a):
			t.Fatal("order counts")
		case a.Add(b).Add(c) != a.Add(b.Add(c)):
			t.Fatal("grouping counts")
		case a.Add(zero) != a || a.Sub(zero) != a:
			t.Fatal("zero counts")
		case a.Add(b).Sub(b) != a || a.Sub(a) != zero:
			t.Fatal("what is added cannot be taken away")
		}
	})
}

// The digest of a set is on the wire and in the reports of old versions: its
// definition does not drift. The vectors were made with sha256sum.
func TestItemVectors(t *testing.T) {
	for _, test := range []struct{ key, value, want string }{
		{"", "", "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc"},
		{"key", "value", "038cf63109a3e1d5dba1ce00338986757171c1b40d50cab41168b147273b8902"},
		{"/flags/a", "on", "2f01e942ba2326e7e56c890ad47752a016926b004d4c1fb66ad5609bc9975c2b"},
		{"\xff\x00", string(make([]byte, 4096)), "bbc7fa4e1c8371e18159f2a3bd5e3cfdbe442a12d705b1dcc850049e2f7afd30"},
	} {
		if got := digest.Item([]byte(test.key), []byte(test.value)); hex.EncodeToString(got[:]) != test.want {
			t.Errorf("item %q is %x, want %s", test.key, got, test.want)
		}
	}
}

func TestShortVectors(t *testing.T) {
	var d digest.Digest
	for _, test := range []struct{ key, value, want string }{
		{"", "", "2c34ce1df23b838c5abf2a7f6437cca3"},
		{"key", "value", ""},
		{"/flags/a", "on", "2d2b20fdf135d471769b3ba195292719"},
	} {
		if test.key != "" {
			d.Add(digest.Item([]byte(test.key), []byte(test.value)))
		}
		short := d.Short()
		if test.want != "" && hex.EncodeToString(short[:]) != test.want {
			t.Errorf("digest of %d items is %x, want %s", d.Count, short, test.want)
		}
		if got := d.String(); got != hex.EncodeToString(short[:8]) {
			t.Errorf("digest prints as %s, is %x", got, short)
		}
	}
}

// Short keys and values are hashed in one piece, long ones in two: the sizes
// around the border are the same hash.
func TestItemOfAnySize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(490, 520), rapid.IntRange(0, 5000))
		key := make([]byte, size.Draw(t, "key"))
		value := make([]byte, size.Draw(t, "value"))
		plain := binary.BigEndian.AppendUint64(nil, uint64(len(key)))
		plain = append(append(plain, key...), value...)
		if digest.Item(key, value) != sha256.Sum256(plain) {
			t.Fatalf("key of %d, value of %d bytes: another hash", len(key), len(value))
		}
	})
}

// A byte that moves from the value to the key is a difference.
func TestItemTellsKeyFromValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		both := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "key and value")
		a := rapid.IntRange(0, len(both)).Draw(t, "a")
		b := rapid.IntRange(0, len(both)).Draw(t, "b")
		if (digest.Item(both[:a], both[a:]) == digest.Item(both[:b], both[b:])) != (a == b) {
			t.Fatalf("%x is the same cut at %d and at %d", both, a, b)
		}
	})
}

// The same sum of another number of items is another digest.
func TestShortCounts(t *testing.T) {
	a, b := digest.Digest{Count: 1}, digest.Digest{Count: 2}
	if a.Short() == b.Short() {
		t.Error("the count does not count")
	}
}
