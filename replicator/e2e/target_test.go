package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// The target is compacted and defragmented again and again while the edge
// applies.
func TestTargetIsCompactedAndDefragmented(t *testing.T) {
	t.Parallel()
	s, tr, _ := runningSite(t)
	s.under(workload.Load{Writers: 4, Rate: 300}, func() {
		for range 8 {
			cli := s.target.Client()
			tr.catchUp(tr.target().recorder) // before it is compacted away
			if _, err := cli.Compact(t.Context(), tr.target().recorder.Last()); err != nil {
				t.Fatal(err)
			}
			if _, err := cli.Defragment(t.Context(), s.target.Endpoint()); err != nil {
				t.Fatal(err)
			}
			s.goesOn()
		}
	})
	s.settle()
	s.check(tr)
}

// cursor is the cursor of the edge as somebody with etcdctl sees it.
func (s *site) cursor() map[string]any {
	s.t.Helper()
	resp, err := s.target.Client().Get(s.t.Context(), cursorKey.String())
	if err != nil || len(resp.Kvs) != 1 {
		s.t.Fatalf("read the cursor: %v, %v", resp, err)
	}
	var c map[string]any
	decoder := json.NewDecoder(bytes.NewReader(resp.Kvs[0].Value))
	decoder.UseNumber() // what is not edited stays as it is
	if err := decoder.Decode(&c); err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *site) editCursor(edit func(map[string]any)) {
	s.t.Helper()
	c := s.cursor()
	edit(c)
	raw, err := json.Marshal(c)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.target.Client().Put(s.t.Context(), cursorKey.String(), string(raw)); err != nil {
		s.t.Fatal(err)
	}
}

// ahead sets a cursor to a revision that the source has not reached.
func ahead(c map[string]any) { c["revision"] = 100_000 }

// A cursor that is gone, or that tells of another place, is never the ground
// for a guess: the edge compares.
func TestCursorIsEdited(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*site){
		"deleted": func(s *site) {
			if _, err := s.target.Client().Delete(s.t.Context(), cursorKey.String()); err != nil {
				s.t.Fatal(err)
			}
		},
		"ahead":           func(s *site) { s.editCursor(ahead) },
		"another chain":   func(s *site) { s.editCursor(func(c map[string]any) { c["chain"] = strings.Repeat("ab", 32) }) },
		"another lineage": func(s *site) { s.editCursor(func(c map[string]any) { c["lineage"] = change.NewLineage().String() }) },
	} {
		for _, stopped := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stopped=%t", name, stopped), func(t *testing.T) {
				s, tr, d := runningSite(t)
				if stopped {
					d.stopImporter()
				}
				s.load(t.Context(), workload.Load{Ops: 100})
				tr.breakTarget(func() error { edit(s); return nil })
				if stopped {
					d.stopImporter = s.startImporter()
				}
				s.settle()
				s.load(t.Context(), workload.Load{Ops: 100})
				s.settle()
				if !same(s.want(), s.have()) {
					t.Error("the target is not what the source is")
				}
			})
		}
	}
}

// A cursor that nobody can read stops the importer for good.
func TestCursorIsDamaged(t *testing.T) {
	t.Parallel()
	s, _, d := runningSite(t)
	d.stopImporter()
	if _, err := s.target.Client().Put(t.Context(), cursorKey.String(), "{}garbage"); err != nil {
		t.Fatal(err)
	}
	before := s.have()
	s.load(t.Context(), workload.Load{Ops: 50})
	ended, _ := s.twin("importer")
	select {
	case err := <-ended:
		if fault.ExitCode(err) != int(fault.Safety) || fault.Try(err) == "" {
			t.Errorf("it ended with %v (exit code %d)", err, fault.ExitCode(err))
		}
	case <-within(t).Done():
		t.Fatal("the importer went on")
	}
	if !same(before, s.have()) {
		t.Error("something was written without a cursor that can be read")
	}
}

// A frame of a format that is not known yet ends both sides: neither skips it.
func TestFrameOfTheFuture(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t)
	d.stopImporter()
	ended, _ := s.twin("importer")
	s.goesOn()
	d.stopExporter()
	s.publishForeign([]byte{1 << 3, change.Format + 1, 42})
	select {
	case err := <-ended:
		var format *change.FormatError
		if !errors.As(err, &format) || format.Format != change.Format+1 {
			t.Errorf("it ended with %v", err)
		}
	case <-within(t).Done():
		t.Fatal("the importer went on")
	}
	var format *change.FormatError
	if err := s.exporterOf(s.cloud)(within(t)); !errors.As(err, &format) {
		t.Errorf("an exporter goes on behind it, and ends with %v", err)
	}
	s.check(tr)
}

// An importer is frozen in front of its target until another one of the same edge
// has taken over, and goes on: its first commit fails.
func TestFrozenImporterIsOvertaken(t *testing.T) {
	t.Parallel()
	s := newSite(t, withTargetLink)
	tr := s.record()
	s.load(t.Context(), workload.Load{Ops: 200})
	s.startExporter()
	first, _ := s.twin("first")
	s.settle()
	s.under(gentle(), func() {
		s.settleSoon()
		s.targetLink.BlackHole()
		s.edge.Target.Etcd.Endpoints = []string{s.target.Endpoint()}
		s.twin("second")
		s.settleSoon()
		s.targetLink.Pass()
		s.fenced(first, "")
		s.settleSoon()
	})
	s.settle()
	s.check(tr)
}

// Changes come faster than a slow target takes them. What waits stays bounded,
// and the edge catches up when the target is faster again.
func TestApplyingIsSlowerThanArriving(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t, withTargetLink)
	d.stopImporter()
	s.edge.Inbox.MaxBytes = strictyaml.Bytes(4 << 20)
	d.stopImporter = s.startImporter()
	s.settle()
	s.targetLink.Throttle(200 << 10)
	s.targetLink.Delay(100 * time.Millisecond)
	largest := int64(0)
	for i := range 12 {
		for j := range 20 {
			s.put(fmt.Sprintf("/apps/large%02d", j), fmt.Sprint(i, noise(40<<10)))
		}
		if info, err := os.Stat(s.inboxFile()); err == nil {
			largest = max(largest, info.Size())
		}
	}
	s.report("has received what it cannot apply yet", func(e status.Edge) bool { return e.PendingBytes > 1<<20 })
	s.targetLink.Throttle(0)
	s.targetLink.Delay(0)
	s.settle()
	if info, err := os.Stat(s.inboxFile()); err == nil {
		largest = max(largest, info.Size())
	}
	if largest > 3*(4<<20) {
		t.Errorf("the inbox of at most 4 MiB took %d bytes", largest)
	}
	s.check(tr)
}
