package change_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/change"
)

// universe is every key of up to three bytes over an alphabet with both ends
// of the byte range, the empty key among them: the model asks each of them.
var universe = func() [][]byte {
	keys := [][]byte{{}}
	for start := 0; len(keys[len(keys)-1]) < 3; {
		end := len(keys)
		for _, k := range keys[start:end] {
			for _, c := range []byte{0, 1, 'a', 'b', 0xfe, 0xff} {
				keys = append(keys, append(bytes.Clone(k), c))
			}
		}
		start = end
	}
	return keys
}()

var drawModelRange = rapid.Custom(func(t *rapid.T) change.Range {
	end := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 'b', 0xff}), 0, 2)
	return change.Range{Lo: end.Draw(t, "lo"), Hi: end.Draw(t, "hi")}
})

// in is the definition of a range.
func in(r change.Range, key []byte) bool {
	return string(key) >= string(r.Lo) && (len(r.Hi) == 0 || string(key) < string(r.Hi))
}

func anyIn(ranges []change.Range, key []byte) int {
	n := 0
	for _, r := range ranges {
		if in(r, key) {
			n++
		}
	}
	return n
}

func TestRangeAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawModelRange.Draw(t, "a"), drawModelRange.Draw(t, "b")
		both, rest := a.Intersect(b), a.Subtract(b)
		if len(rest) > 2 {
			t.Fatalf("%v without %v is %v", a, b, rest)
		}
		for _, r := range rest {
			if r.Empty() {
				t.Fatalf("%v without %v has an empty range: %v", a, b, rest)
			}
		}
		some := false
		for _, key := range universe {
			if a.Contains(key) != in(a, key) {
				t.Fatalf("%v contains %q: %v", a, key, a.Contains(key))
			}
			if both.Contains(key) != (in(a, key) && in(b, key)) {
				t.Fatalf("%v and %v share %v, wrong about %q", a, b, both, key)
			}
			want := 0
			if in(a, key) && !in(b, key) {
				want = 1
			}
			if anyIn(rest, key) != want {
				t.Fatalf("%v without %v is %v, wrong about %q", a, b, rest, key)
			}
			some = some || in(a, key)
		}
		if a.Empty() == some {
			t.Fatalf("%v is empty: %v", a, a.Empty())
		}
	})
}

func TestPrefixRangeAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 0xfe, 0xff}), 0, 3).Draw(t, "prefix")
		kept := bytes.Clone(prefix)
		r := change.PrefixRange(prefix)
		for _, key := range universe {
			if r.Contains(key) != bytes.HasPrefix(key, prefix) {
				t.Fatalf("prefix %q is %v, wrong about %q", prefix, r, key)
			}
		}
		if len(r.Lo) > 0 {
			r.Lo[0]++
		}
		if len(r.Hi) > 0 {
			r.Hi[0]++
		}
		if !bytes.Equal(prefix, kept) {
			t.Fatalf("the range of prefix %q shares memory with it", kept)
		}
	})
}

func TestPrefixEnd(t *testing.T) {
	for prefix, want := range map[string]string{
		"": "", "a": "b", "/flags/": "/flags0", "a\xff": "b", "a\xff\xff": "b", "\xff": "", "\xff\xff": "", "\x00": "\x01",
	} {
		if got := change.PrefixEnd([]byte(prefix)); string(got) != want {
			t.Errorf("end of %q is %q, want %q", prefix, got, want)
		}
	}
}

// Keys hold any byte, and ranges are printed on terminals.
func TestRangeStringQuotes(t *testing.T) {
	r := change.Range{Lo: []byte("a\x1b[2J"), Hi: []byte("\xff")}
	if got, want := r.String(), `["a\x1b[2J", "\xff")`; got != want {
		t.Errorf("range prints as %s, want %s", got, want)
	}
}
