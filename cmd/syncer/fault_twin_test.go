//go:build fault

package main_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// TestFaultStoppedExporter stops the active exporter's process with a second
// one standing by, for longer than every timeout, and lets it go on: it must
// step down, and the frames of the two must not interleave.
func TestFaultStoppedExporter(t *testing.T) {
	r := newRig(t, false)
	r.start()
	active := r.exporter
	standby := newDaemon(t, "the other exporter", r.binary, "export", "-c", r.path("cloud.yaml"), "--data-dir", r.path("exporter-2"))
	dirs := map[*daemon]string{active: r.path("exporter"), standby: r.path("exporter-2")}
	stop := r.load(usual)
	r.truth.moves()
	standby.start()
	standby.says(t, 0, "standing by while another exporter writes")
	takeovers := rounds(t, 4)
	for i := range takeovers {
		mark := active.journal.mark()
		r.signal(active, syscall.SIGSTOP)
		name := r.instance(dirs[standby])
		r.await("the standby took over", func(l status.List, _ status.Item) bool {
			return l.Exporter.Instance == name && l.Exporter.State == status.ExporterActive
		})
		r.truth.moves()
		if i == 0 {
			r.hold(70 * time.Second) // the hub gives a connection up after a minute without pongs
		} else {
			r.hold(12 * time.Second) // longer than an acknowledgement is waited for
		}
		r.signal(active, syscall.SIGCONT)
		active.says(t, mark, "the term ended")
		active.says(t, mark, "standing by while another exporter writes")
		r.truth.moves()
		active, standby = standby, active
	}
	stop()
	r.settle()
	r.oneChain(takeovers)
}

func (r *rig) signal(d *daemon, s os.Signal) {
	r.t.Helper()
	if err := d.running().Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) instance(dir string) string {
	r.t.Helper()
	raw, err := os.ReadFile(dir + "/instance")
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

// oneChain reads the whole channel: every frame follows the one before it, and
// its writer changes only when one takes over.
func (r *rig) oneChain(takeovers int) {
	r.t.Helper()
	js, err := natsjs.New(r.admin())
	if err != nil {
		r.t.Fatal(err)
	}
	stream, err := js.Stream(within(r.t), jetstream.Stream("cloud"))
	if err != nil {
		r.t.Fatal(err)
	}
	var tail change.Hash
	frames, writers, writer := 0, 0, ""
	for seq := uint64(1); ; frames++ {
		m, err := stream.GetMsg(within(r.t), seq, natsjs.WithGetMsgSubject(jetstream.LogSubject("cloud", "flags")))
		if errors.Is(err, natsjs.ErrMsgNotFound) {
			break
		}
		if err != nil {
			r.t.Fatalf("read from message %d: %v", seq, err)
		}
		f, err := change.DecodeFrame(m.Data)
		if err != nil {
			r.t.Fatalf("message %d: %v", m.Sequence, err)
		}
		if f.Writer != writer {
			writers, writer = writers+1, f.Writer
		}
		if !tail.IsZero() && f.PrevHash != tail {
			r.t.Errorf("message %d, a %v of revision %d by %s, does not follow the frame before it", m.Sequence, f.Kind, f.Last, f.Writer)
		}
		tail, seq = change.HashOf(m.Data), m.Sequence+1
	}
	if writers-1 != takeovers {
		r.t.Errorf("the writer changed %d times in %d frames, and %d times one took over", writers-1, frames, takeovers)
	}
}

// TestFaultTwoImporters starts a second importer with the same identity, as a
// copied machine does: the first one ends with exit code 7 and says who fenced
// it, and one of them goes on.
func TestFaultTwoImporters(t *testing.T) {
	r := newRig(t, false)
	r.exporter.start()
	r.claims = r.listen()
	stop := r.load(usual)
	last := r.twin("twin-0")
	r.truth.moves()
	for i := range rounds(t, 6) {
		next := r.twin([]string{"twin-1", "twin-0"}[i%2])
		said := r.fenced(last)
		r.await("another instance imports", func(_ status.List, it status.Item) bool { return it.Instance != "" })
		r.truth.moves()
		if owner := r.owner(); !strings.Contains(said, owner) {
			t.Errorf("the cursor belongs to %s, and the fenced importer said:\n%s", owner, said)
		}
		last = next
	}
	stop()
	r.settle()
	if code, err := last.Stop(patience); code != 0 || err != nil {
		t.Errorf("the last importer ended with exit code %d, %v", code, err)
	}
}

// TestFaultStoppedImporter stops the importer's process for longer than every
// timeout, has a twin take over, and lets it go on: nothing that it still wants
// to write lands, and it ends with exit code 7.
func TestFaultStoppedImporter(t *testing.T) {
	r := newRig(t, false)
	r.exporter.start()
	r.claims = r.listen()
	stop := r.load(usual)
	last := r.twin("twin-0")
	r.truth.moves()
	for i := range rounds(t, 4) {
		was := r.owner()
		if err := last.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		next := r.twin([]string{"twin-1", "twin-0"}[i%2])
		r.truth.moves()
		if i == 0 {
			r.hold(70 * time.Second) // the hub gives a connection up after a minute without pongs
		} else {
			r.hold(12 * time.Second) // longer than a transaction is waited for
		}
		owner, from := r.owner(), r.truth.target().recorder.Last()
		if owner == was {
			t.Fatalf("the cursor still belongs to %s, which is stopped", was)
		}
		if err := last.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if said := r.fenced(last); !strings.Contains(said, owner) {
			t.Errorf("the cursor belongs to %s, and the fenced importer said:\n%s", owner, said)
		}
		r.truth.moves()
		r.truth.writtenBy(owner, from)
		last = next
	}
	stop()
	r.settle()
}

// twin starts another importer of the edge, with a data directory of its own.
func (r *rig) twin(name string) *testbed.Process {
	r.t.Helper()
	p, err := testbed.StartProcess(testbed.ProcessConfig{
		Path: r.binary, Args: []string{"import", "-c", r.path("edge", "edge.yaml"), "--data-dir", r.path(name)},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = p.Kill() })
	return p
}

// fenced waits for the end of an importer that another one has overtaken, and
// gives its last words.
func (r *rig) fenced(p *testbed.Process) (said string) {
	r.t.Helper()
	code, err := p.Wait(within(r.t))
	if err != nil {
		r.t.Fatalf("two importers of one edge run side by side: %v\n%s", err, lastLines(p.Output(), 10))
	}
	said = lastLines(p.Output(), 3)
	if code != 7 || !strings.Contains(said, "fenced by") || !strings.Contains(said, "Try: stop one of the two importers") {
		r.t.Errorf("the fenced importer ended with exit code %d and said:\n%s", code, said)
	}
	return said
}

// writtenBy insists that behind a revision of the target only one importer wrote
// there: each write to the selection comes with a cursor of its own.
func (tr *truth) writtenBy(owner string, from int64) {
	tr.r.t.Helper()
	tr.catchUp(tr.target())
	written := 0
	for _, rev := range tr.target().recorder.History().After(from) {
		by, selected := "", false
		for _, e := range rev.Events {
			selected = selected || rules.Owns(e.Key)
			if e.Key == cursorKey.String() {
				by, selected = ownerOf(tr.r.t, e.Value), true
			}
		}
		if !selected {
			continue
		}
		written++
		if by != owner {
			tr.r.t.Errorf("revision %d of the target is written by %q, and the cursor belongs to %s", rev.Revision, by, owner)
		}
	}
	if written == 0 {
		tr.r.t.Error("nobody wrote")
	}
}

// owner is the instance that wrote the cursor last.
func (r *rig) owner() string {
	r.t.Helper()
	resp, err := r.target.Client().Get(within(r.t), cursorKey.String())
	if err != nil || len(resp.Kvs) == 0 {
		r.t.Fatalf("there is no cursor (%v)", err)
	}
	return ownerOf(r.t, string(resp.Kvs[0].Value))
}

func ownerOf(t *testing.T, cursor string) string {
	t.Helper()
	var c struct{ Owner string }
	if err := json.Unmarshal([]byte(cursor), &c); err != nil {
		t.Fatal(err)
	}
	return c.Owner
}
