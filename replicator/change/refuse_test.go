package change_test

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/change"
)

// message writes messages that no encoder writes.
type message []byte

func (m message) num(field protowire.Number, v uint64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), v)
}

func (m message) bytes(field protowire.Number, v []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), v)
}

func (m message) text(field protowire.Number, v string) message { return m.bytes(field, []byte(v)) }

// good is the shortest frame that is one.
func good() message {
	return message{}.num(1, change.Format).num(2, uint64(change.KindChanges)).text(3, "c").bytes(4, []byte("0123456789")).num(10, 1)
}

// refuses proves that decode takes none of the messages, says so with
// ErrMalformed and gives nothing of them.
func refuses[T any](t *testing.T, decode func([]byte) (T, error), messages map[string]message) {
	t.Helper()
	for name, m := range messages {
		got, err := decode(m)
		if !errors.Is(err, change.ErrMalformed) {
			t.Errorf("%s: error is %v", name, err)
		}
		if !reflect.ValueOf(got).IsZero() {
			t.Errorf("%s: gave a part of it: %+v", name, got)
		}
	}
}

func TestDecodeFrameRefuses(t *testing.T) {
	if _, err := change.DecodeFrame(good()); err != nil {
		t.Fatal(err)
	}
	negative := uint64(math.MaxUint64) // -1 as an int64
	refuses(t, change.DecodeFrame, map[string]message{
		"nothing":               {},
		"no format":             good()[2:],
		"format 0":              message{}.num(1, 0),
		"format after the kind": message{}.num(2, 1).num(1, change.Format),
		"future format second":  message{}.num(2, 1).num(1, change.Format+1),
		"format of bytes":       message{}.text(1, "1"),
		"two formats":           good().num(1, change.Format),
		"two kinds":             good().num(2, 1),
		"unknown field":         good().num(16, 1),
		"reserved field":        good().text(20, "seal"),
		"field beyond the set":  good().num(33, 1), // 33 is 1 modulo 32
		"number as bytes":       good().text(5, "x"),
		"bytes as number":       good().num(15, 1),
		"fixed64":               protowire.AppendFixed64(protowire.AppendTag(good(), 5, protowire.Fixed64Type), 1),
		"group":                 protowire.AppendTag(good(), 5, protowire.StartGroupType),
		"no kind":               message{}.num(1, 1).text(3, "c").bytes(4, []byte("0123456789")).num(10, 1),
		"unknown kind":          message{}.num(1, 1).num(2, 8).text(3, "c").bytes(4, []byte("0123456789")).num(10, 1),
		"kind beyond a byte":    message{}.num(1, 1).num(2, 257).text(3, "c").bytes(4, []byte("0123456789")).num(10, 1),
		"no channel":            message{}.num(1, 1).num(2, 1).bytes(4, []byte("0123456789")).num(10, 1),
		"channel not UTF-8":     message{}.num(1, 1).num(2, 1).text(3, "\xff").bytes(4, []byte("0123456789")).num(10, 1),
		"no lineage":            message{}.num(1, 1).num(2, 1).text(3, "c").num(10, 1),
		"short lineage":         message{}.num(1, 1).num(2, 1).text(3, "c").bytes(4, []byte("012345678")).num(10, 1),
		"short hash":            good().bytes(6, make([]byte, 31)),
		"no parts":              message{}.num(1, 1).num(2, 1).text(3, "c").bytes(4, []byte("0123456789")),
		"part beyond parts":     good().num(9, 1),
		"part beyond 32 bits":   good().num(9, 1<<32),
		"too many parts":        message{}.num(1, 1).num(2, 1).text(3, "c").bytes(4, []byte("0123456789")).num(10, change.MaxParts+1),
		"parts beyond 32 bits":  message{}.num(1, 1).num(2, 1).text(3, "c").bytes(4, []byte("0123456789")).num(10, 1<<32+1),
		"negative prev":         good().num(5, negative),
		"negative first":        good().num(7, negative),
		"negative last":         good().num(8, negative),
		"last before first":     good().num(7, 2).num(8, 1),
		"goes back":             good().num(5, 2).num(8, 1),
		"body cut off":          good().bytes(15, []byte("body"))[:len(good())+4],
		"body longer than 2^62": append(protowire.AppendTag(good(), 15, protowire.BytesType), protowire.AppendVarint(nil, 1<<62)...),
	})
}

// Only a reset may lead back: it starts a history that has its own numbers.
func TestResetMayGoBack(t *testing.T) {
	m := message{}.num(1, 1).num(2, uint64(change.KindReset)).text(3, "c").bytes(4, []byte("0123456789")).num(5, 9).num(8, 1).num(10, 1)
	if _, err := change.DecodeFrame(m); err != nil {
		t.Error(err)
	}
}

// A reader that meets a newer format must stop, whatever follows the number.
func TestDecodeFrameStopsAtUnknownFormat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		format := rapid.Uint64Range(change.Format+1, math.MaxUint64).Draw(t, "format")
		rest := rapid.SliceOf(rapid.Byte()).Draw(t, "rest")
		got, err := change.DecodeFrame(append(message{}.num(1, format), rest...))
		var unknown *change.FormatError
		if !errors.As(err, &unknown) || unknown.Format != format || errors.Is(err, change.ErrMalformed) {
			t.Fatalf("error is %v", err)
		}
		if !reflect.ValueOf(got).IsZero() {
			t.Fatalf("gave a part of it: %+v", got)
		}
	})
}

func TestDecodeChangesRefuses(t *testing.T) {
	put := func(key string) message { return message{}.num(1, 1).text(2, key) }
	one := func(change message) message { return message{}.bytes(1, message{}.num(1, 5).bytes(3, change)) }
	two := func(a, b message) message { return message{}.bytes(1, a).bytes(1, b) }
	refuses(t, change.DecodeChanges, map[string]message{
		"nothing":               {},
		"unknown field":         one(put("k")).num(2, 1),
		"number":                message{}.num(1, 1),
		"no revision":           message{}.bytes(1, message{}.bytes(3, put("k"))),
		"negative revision":     message{}.bytes(1, message{}.num(1, math.MaxUint64)),
		"unknown set field":     message{}.bytes(1, message{}.num(1, 5).num(4, 1)),
		"two revisions":         message{}.bytes(1, message{}.num(1, 5).num(1, 6)),
		"revision twice":        two(message{}.num(1, 5), message{}.num(1, 5)),
		"revisions go back":     two(message{}.num(1, 5), message{}.num(1, 4)),
		"partial never ends":    two(message{}.num(1, 5).num(2, 1), message{}.num(1, 6)),
		"no operation":          one(message{}.text(2, "k")),
		"unknown operation":     one(message{}.num(1, 3).text(2, "k")),
		"operation beyond byte": one(message{}.num(1, 257).text(2, "k")),
		"no key":                one(message{}.num(1, 1).text(3, "v")),
		"unknown change field":  one(put("k").num(4, 1)),
		"two keys":              one(put("k").text(2, "l")),
		"delete with a value":   one(message{}.num(1, 2).text(2, "k").text(3, "v")),
		"key twice in a row":    message{}.bytes(1, message{}.num(1, 5).bytes(3, put("k")).bytes(3, put("k"))),
		"key twice apart":       message{}.bytes(1, message{}.num(1, 5).bytes(3, put("k")).bytes(3, put("a")).bytes(3, put("k"))),
	})
}

func TestDecodeStateRefuses(t *testing.T) {
	sum := make([]byte, 32)
	refuses(t, change.DecodeState, map[string]message{
		"nothing":           {},
		"no sum":            message{}.num(1, 7).num(2, 1),
		"short sum":         message{}.bytes(3, sum[:31]),
		"two sums":          message{}.bytes(3, sum).bytes(3, sum),
		"unknown field":     message{}.bytes(3, sum).num(8, 1),
		"negative revision": message{}.num(1, math.MaxUint64).bytes(3, sum),
		"reason not UTF-8":  message{}.bytes(3, sum).text(6, "\xff"),
		"policy not UTF-8":  message{}.bytes(3, sum).text(5, "\xff"),
	})
}

func TestDecodePageRefuses(t *testing.T) {
	upTo := func(hi string) message {
		m := message{}
		if hi != "" {
			m = m.text(1, hi)
		}
		return m.bytes(3, make([]byte, 16))
	}
	page := func(ranges ...message) (m message) {
		for _, r := range ranges {
			m = m.bytes(1, r)
		}
		return m
	}
	if _, err := change.DecodePage(page(upTo("a"), upTo("b"), upTo(""))); err != nil {
		t.Fatal(err)
	}
	refuses(t, change.DecodePage, map[string]message{
		"nothing":            {},
		"no end":             page(upTo("a")),
		"end in the middle":  page(upTo("a"), upTo(""), upTo("")),
		"end at the start":   page(upTo(""), upTo("a"), upTo("")),
		"end twice":          page(upTo(""), upTo("")),
		"ends go back":       page(upTo("b"), upTo("a"), upTo("")),
		"empty range":        page(upTo("a"), upTo("a"), upTo("")),
		"range then no end":  page(upTo(""), upTo("a")),
		"no digest":          page(message{}.num(2, 1)),
		"short digest":       page(message{}.bytes(3, make([]byte, 15))),
		"unknown field":      page(upTo("")).num(2, 1),
		"unknown range part": page(upTo("").num(5, 1)),
	})
}

// DecodePage takes a list of ends exactly when the ranges leave no hole and no
// overlap: each key lies in one range.
func TestDecodePageTakesNoHole(t *testing.T) {
	end := rapid.OneOf(rapid.Just[[]byte](nil), drawKey)
	rapid.Check(t, func(t *rapid.T) {
		ends := rapid.SliceOfN(end, 1, 5).Draw(t, "ends")
		ranges := make([]change.PageRange, len(ends))
		sound := len(ends[len(ends)-1]) == 0
		for i, hi := range ends {
			ranges[i].Hi = hi
			if i > 0 {
				last := i == len(ends)-1
				sound = sound && len(ends[i-1]) != 0 && (last || string(ends[i-1]) < string(hi))
			}
		}
		if _, err := change.DecodePage(change.EncodePage(ranges)); (err == nil) != sound {
			t.Fatalf("ends %q: %v", ends, err)
		}
	})
}

func TestDecodeChunkRefuses(t *testing.T) {
	chunk := func(keys ...string) message {
		m := message{}.text(1, "b").text(2, "e")
		for _, k := range keys {
			m = m.bytes(3, message{}.text(1, k))
		}
		return m
	}
	if _, err := change.DecodeChunk(chunk("b", "c", "d\xff")); err != nil {
		t.Fatal(err)
	}
	refuses(t, change.DecodeChunk, map[string]message{
		"key below":         chunk("a"),
		"key at the end":    chunk("e"),
		"keys go back":      chunk("c", "b"),
		"key twice":         chunk("c", "c"),
		"no key":            chunk("").num(1, 0),
		"empty key":         message{}.bytes(3, message{}.text(2, "v")),
		"two low ends":      chunk().text(1, "b"),
		"unknown field":     chunk().num(6, 1),
		"marks, not sparse": chunk().bytes(5, []byte{1}),
		"unknown item part": message{}.bytes(3, message{}.text(1, "k").num(3, 1)),
	})
}

func TestDecodeFindingRefuses(t *testing.T) {
	finding := func(count, put uint64, keys ...string) message {
		m := message{}.text(1, "b").text(2, "e").num(3, count).num(4, put)
		for _, k := range keys {
			m = m.bytes(6, message{}.text(1, k))
		}
		return m
	}
	if _, err := change.DecodeFinding(finding(3, 2, "b", "c")); err != nil {
		t.Fatal(err)
	}
	refuses(t, change.DecodeFinding, map[string]message{
		"more to put than keys":  finding(1, 2),
		"more named than to put": finding(3, 1, "b", "c"),
		"key below":              finding(1, 1, "a"),
		"keys go back":           finding(2, 2, "c", "b"),
		"empty key":              finding(1, 1, ""),
		"value":                  finding(1, 1).bytes(6, message{}.text(1, "b").text(2, "v")),
		"unknown field":          finding(1, 1).num(9, 1),
	})
}

func TestMarks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 70).Draw(t, "places")
		m, set := change.NewMarks(n), map[int]bool{}
		if n > 0 {
			for _, i := range rapid.SliceOf(rapid.IntRange(0, n-1)).Draw(t, "set") {
				m.Set(i)
				set[i] = true
			}
		}
		for i := range n + 20 {
			if m.Has(i) != set[i] {
				t.Fatalf("place %d of %v: %v", i, m, m.Has(i))
			}
		}
		if m.Count() != len(set) {
			t.Fatalf("%v counts %d, want %d", m, m.Count(), len(set))
		}
	})
}
