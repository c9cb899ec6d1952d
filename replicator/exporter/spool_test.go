package exporter

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/source"
)

var spoolLineage = change.Lineage{1, 2, 3}

func checkpointAt(revision int64) checkpoint {
	return checkpoint{
		Complete: true, Policy: "sha256:policy", Revision: revision,
		Head: change.Head{Position: change.Position{Lineage: spoolLineage, Revision: revision}},
	}
}

func openSpool(t *testing.T, path string, bound int64) *spool {
	t.Helper()
	s := newSpool(path, bound, "flags", slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// revision makes a revision with puts and deletes of n keys of a size.
func revision(rev int64, n, size int) source.Revision {
	r := source.Revision{Revision: rev}
	for i := range n {
		e := source.Event{Op: change.Put, Key: fmt.Appendf(nil, "/flags/%06d", i), Value: bytes.Repeat([]byte{byte(rev), byte(i)}, size/2), ModRevision: rev}
		if i%3 == 2 {
			e.Op, e.Value = change.Delete, nil
		}
		r.Events = append(r.Events, e)
	}
	return r
}

func fillSpool(t *testing.T, s *spool, cp checkpoint, batches ...source.Batch) {
	t.Helper()
	for _, b := range batches {
		if err := s.append(t.Context(), cp, b); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, s *spool, after int64) (revisions []source.Revision, resolved int64) {
	t.Helper()
	err := s.replay(after, func(b source.Batch) error {
		if b.Resolved < resolved {
			t.Errorf("resolved goes back from %d to %d", resolved, b.Resolved)
		}
		revisions, resolved = append(revisions, b.Revisions...), b.Resolved
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return revisions, resolved
}

// What was spooled comes back as it was, from any revision on and after the
// file was opened again, also a revision that is larger than a record.
func TestSpoolGivesBackWhatItTook(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := openSpool(t, path, 64<<20)
	large := revision(14, 300, 40<<10) // some 8 MiB
	fillSpool(t, s, checkpointAt(10),
		source.Batch{Revisions: []source.Revision{revision(11, 3, 10), revision(13, 1, 0)}, Resolved: 13},
		source.Batch{Revisions: []source.Revision{large, revision(15, 2, 10)}, Resolved: 16},
		source.Batch{Resolved: 20},
	)
	all := []source.Revision{revision(11, 3, 10), revision(13, 1, 0), large, revision(15, 2, 10)}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s = openSpool(t, path, 64<<20)
	if st := s.status(); st == nil || st.Revision != 20 || st.Revisions != 4 || st.Bytes == 0 {
		t.Errorf("the status is %+v", st)
	}
	for after := int64(10); after < 20; after++ {
		if !s.holds(after + 1) {
			t.Errorf("revision %d is not held", after+1)
		}
		var want []source.Revision
		for _, r := range all {
			if r.Revision > after {
				want = append(want, r)
			}
		}
		if got, resolved := read(t, s, after); !sameRevisions(got, want) || resolved != 20 {
			t.Errorf("behind %d: %d revisions up to %d, want %d up to 20", after, len(got), resolved, len(want))
		}
	}
	if s.holds(10) || s.holds(21) {
		t.Error("the spool holds what it does not")
	}
}

func sameRevisions(a, b []source.Revision) bool {
	norm := func(rs []source.Revision) (out []string) {
		for _, r := range rs {
			for _, e := range r.Events {
				out = append(out, fmt.Sprintf("%d %v %q %q %d", r.Revision, e.Op, e.Key, e.Value, e.ModRevision))
			}
		}
		return out
	}
	return reflect.DeepEqual(norm(a), norm(b))
}

// A spool that does not go on where the checkpoint ends is dropped, and says
// so; one that ends at it is emptied without a word.
func TestSpoolIsDroppedUnlessItGoesOn(t *testing.T) {
	other := checkpointAt(12)
	other.Head.Lineage = change.Lineage{9}
	policy := checkpointAt(12)
	policy.Policy = "sha256:another"
	for name, c := range map[string]struct {
		cp   checkpoint
		kept bool
		said bool
	}{
		"same checkpoint": {cp: checkpointAt(10), kept: true},
		"within":          {cp: checkpointAt(12), kept: true},
		"passed":          {cp: checkpointAt(13)},
		"gap":             {cp: checkpointAt(9), said: true},
		"lineage":         {cp: other, said: true},
		"policy":          {cp: policy, said: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := openSpool(t, filepath.Join(t.TempDir(), "spool.db"), 1<<20)
			fillSpool(t, s, checkpointAt(10), source.Batch{Revisions: []source.Revision{revision(13, 3, 10)}, Resolved: 13})
			if err := s.align(c.cp); err != nil {
				t.Fatal(err)
			}
			if kept := s.last() == 13; kept != c.kept {
				t.Errorf("kept: %v", kept)
			}
			if st := s.status(); (st != nil && st.Reason != "") != c.said {
				t.Errorf("it says %+v", st)
			}
		})
	}
}

func TestSpoolRefusesWhatDoesNotFit(t *testing.T) {
	s := openSpool(t, filepath.Join(t.TempDir(), "spool.db"), 4<<10)
	cp := checkpointAt(10)
	var err error
	rev := int64(10)
	for ; err == nil && rev < 1000; rev++ {
		err = s.append(t.Context(), cp, source.Batch{Revisions: []source.Revision{revision(rev+1, 1, 100)}, Resolved: rev + 1})
	}
	if !errors.Is(err, errFull) {
		t.Fatalf("got %v", err)
	}
	if st := s.status(); st.Bytes > 4<<10 || st.Revision != rev-1 {
		t.Errorf("after %d: %+v", rev, st)
	}
	if err := s.leave(cp, err); err != nil {
		t.Fatal(err)
	}
	if st := s.status(); !st.Full || st.Bytes != 0 || st.Reason == "" || !s.isLeft(cp) || s.isLeft(checkpointAt(11)) {
		t.Errorf("the spool says %+v", st)
	}
}

// Whatever stands in the place of the spool's file, the spool is usable and
// holds nothing of it.
func TestSpoolIsDamaged(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"flipped":  func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("sha256:policy"), []byte("sha256:Policy")) },
		"cut":      func(b []byte) []byte { return b[:len(b)/2] },
		"not ours": func([]byte) []byte { return []byte("a letter from somebody else") },
		"empty":    func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "spool.db")
			s := openSpool(t, path, 1<<20)
			fillSpool(t, s, checkpointAt(10), source.Batch{Revisions: []source.Revision{revision(13, 300, 1000)}, Resolved: 13})
			if err := s.close(); err != nil {
				t.Fatal(err)
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(raw), 0o600); err != nil {
				t.Fatal(err)
			}
			s = openSpool(t, path, 1<<20)
			if s.last() != 0 || s.holds(11) {
				t.Errorf("the damaged spool is believed: %+v", s.status())
			}
			fillSpool(t, s, checkpointAt(10), source.Batch{Revisions: []source.Revision{revision(12, 3, 10)}, Resolved: 12})
			if got, _ := read(t, s, 10); !sameRevisions(got, []source.Revision{revision(12, 3, 10)}) {
				t.Errorf("got %v", got)
			}
		})
	}
}

// FuzzDecodeSpoolRecord proves that a record has one form, and that a body
// that is taken holds nothing beyond what the header says.
func FuzzDecodeSpoolRecord(f *testing.F) {
	r := spoolRecord{lineage: spoolLineage, policy: "sha256:policy", resolved: 10}
	records, err := r.records(append(changesetOf(revision(11, 4, 10)), changesetOf(revision(300, 1, 10))...), 400)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(records[0].encode())
	f.Add(spoolRecord{lineage: spoolLineage, after: 1, resolved: 1 << 40, count: 1 << 60}.encode())
	f.Add([]byte{})
	f.Add([]byte{spoolFormat + 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeSpoolRecord(b)
		if err != nil {
			if !errors.Is(err, change.ErrMalformed) {
				t.Fatalf("refused as %v", err)
			}
			return
		}
		if again := r.encode(); !bytes.Equal(again, b) {
			t.Fatalf("%x is read as %x", b, again)
		}
		sets, err := r.changesets()
		if err != nil && !errors.Is(err, change.ErrMalformed) {
			t.Fatalf("the body is refused as %v", err)
		}
		for _, s := range sets {
			if s.Revision <= r.after {
				t.Fatalf("revision %d in a record behind %d", s.Revision, r.after)
			}
		}
	})
}
