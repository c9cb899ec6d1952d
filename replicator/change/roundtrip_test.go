package change_test

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/change"
)

// roundTrip proves that decode undoes encode for everything that draw draws.
func roundTrip[T any](draw func(*rapid.T) T, encode func(T) []byte, decode func([]byte) (T, error)) func(*testing.T) {
	return func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			want := draw(t)
			got, err := decode(encode(want))
			if err != nil {
				t.Fatalf("decode %+v: %v", want, err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestRoundTrip(t *testing.T) {
	t.Run("frame", roundTrip(drawFrame, change.EncodeFrame, change.DecodeFrame))
	t.Run("changes", roundTrip(drawChangesets, change.EncodeChanges, change.DecodeChanges))
	t.Run("state", roundTrip(drawState, change.EncodeState, change.DecodeState))
	t.Run("page", roundTrip(drawPage, change.EncodePage, change.DecodePage))
	t.Run("chunk", roundTrip(drawChunk, change.EncodeChunk, change.DecodeChunk))
	t.Run("finding", roundTrip(drawFinding, change.EncodeFinding, change.DecodeFinding))
	t.Run("command", roundTrip(drawJSON, change.EncodeCommand, change.DecodeCommand))
}

// A frame travels with a compressed body, as a whole or in parts.
func TestRoundTripThroughParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawChangesets(t)
		body, err := change.Compress(change.EncodeChanges(want))
		if err != nil {
			t.Fatal(err)
		}
		cut := rapid.IntRange(0, len(body)).Draw(t, "cut")
		var joined []byte
		for i, part := range [][]byte{body[:cut], body[cut:]} {
			f := drawFrame(t)
			f.Kind, f.Prev, f.Part, f.Parts, f.Body = change.KindChanges, 0, uint32(i), 2, part
			got, err := change.DecodeFrame(change.EncodeFrame(f))
			if err != nil {
				t.Fatal(err)
			}
			joined = append(joined, got.Body...)
		}
		raw, err := change.Decompress(joined)
		if err != nil {
			t.Fatal(err)
		}
		got, err := change.DecodeChanges(raw)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

// Text from elsewhere must not make a frame that no reader takes.
func TestEncodeReplacesInvalidUTF8(t *testing.T) {
	s, err := change.DecodeState(change.EncodeState(change.State{Reason: "key \xff gone"}))
	if err != nil || s.Reason != "key \uFFFD gone" {
		t.Errorf("reason %q, %v", s.Reason, err)
	}
}
