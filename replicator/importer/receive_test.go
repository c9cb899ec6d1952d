package importer

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// chainOf makes messages of a chain: changes at the given revisions.
func chainOf(lineage change.Lineage, head change.Head, revisions ...int64) [][]byte {
	var out [][]byte
	for _, rev := range revisions {
		f := change.Frame{
			Kind: change.KindChanges, Channel: "flags", Lineage: lineage, Prev: head.Revision, PrevHash: head.Hash,
			First: rev, Last: rev, Parts: 1, Sent: time.Now(), Writer: "w", Body: []byte("body"),
		}
		m := change.EncodeFrame(f)
		head.Revision, head.Hash = rev, change.HashOf(m)
		out = append(out, m)
	}
	return out
}

func TestLinkFollowsTheChainOnly(t *testing.T) {
	lineage := change.NewLineage()
	messages := chainOf(lineage, change.Head{}, 5, 6, 9)
	start := func() *link { return &link{channel: "flags", lineage: lineage} }
	take := func(l *link, m []byte) (bool, error) {
		return l.follow(jetstream.Message{Data: m})
	}
	t.Run("in order", func(t *testing.T) {
		l := start()
		for i, m := range messages {
			if keep, err := take(l, m); !keep || err != nil {
				t.Fatalf("message %d: %v, %v", i, keep, err)
			}
		}
		if l.revision != 9 {
			t.Errorf("stands at %d", l.revision)
		}
	})
	t.Run("again", func(t *testing.T) {
		l := start()
		for _, m := range [][]byte{messages[0], messages[1], messages[0], messages[1], messages[2]} {
			if _, err := take(l, m); err != nil {
				t.Fatal(err)
			}
		}
		if keep, err := take(l, messages[0]); keep || err != nil {
			t.Errorf("an old message: %v, %v", keep, err)
		}
	})
	t.Run("a hole", func(t *testing.T) {
		l := start()
		if _, err := take(l, messages[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := take(l, messages[2]); !errors.Is(err, ErrGap) {
			t.Errorf("a message after a hole: %v", err)
		}
	})
	t.Run("another lineage", func(t *testing.T) {
		l := start()
		if _, err := take(l, chainOf(change.NewLineage(), change.Head{}, 5)[0]); !errors.Is(err, ErrGap) {
			t.Errorf("a message of another lineage: %v", err)
		}
	})
	t.Run("not a frame", func(t *testing.T) {
		if keep, err := take(start(), []byte("junk")); keep || err != nil {
			t.Errorf("junk: %v, %v", keep, err)
		}
	})
	t.Run("a format of the future", func(t *testing.T) {
		m := bytes.Clone(messages[0])
		m[1] = 2 // the value of the first field, the format
		var format *change.FormatError
		if _, err := take(start(), m); !errors.As(err, &format) {
			t.Errorf("format 2: %v", err)
		}
	})
}

func TestAssemblyJoinsPartsInOrder(t *testing.T) {
	part := func(i, n uint32, body string) change.Frame {
		return change.Frame{Kind: change.KindChanges, First: 3, Last: 3, Part: i, Parts: n, Body: []byte(body)}
	}
	var p assembly
	for i, f := range []change.Frame{part(0, 3, "a"), part(1, 3, "b")} {
		if _, whole, err := p.join(f, uint64(10+i)); whole || err != nil {
			t.Fatalf("part %d: %v, %v", i, whole, err)
		}
	}
	if !p.open() || p.first != 10 {
		t.Errorf("open %v from record %d", p.open(), p.first)
	}
	body, whole, err := p.join(part(2, 3, "c"), 12)
	if string(body) != "abc" || !whole || err != nil || p.open() {
		t.Errorf("joined %q, %v, %v", body, whole, err)
	}

	// A frame that its exporter did not finish is forgotten by the next one.
	if _, _, err := p.join(part(0, 3, "x"), 13); err != nil {
		t.Fatal(err)
	}
	body, whole, err = p.join(part(0, 1, "y"), 14)
	if string(body) != "y" || !whole || err != nil {
		t.Errorf("joined %q, %v, %v", body, whole, err)
	}

	// A part without the ones before it is a gap, never half a frame.
	if _, _, err := p.join(part(1, 3, "z"), 15); !errors.Is(err, ErrGap) {
		t.Errorf("a part alone: %v", err)
	}
}
