package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	bolt "go.etcd.io/bbolt"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/command"
	syncstream "github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
)

// order sends a command to the edge and waits until the edge says how it
// ended.
func (s *site) order(c command.Command) command.Task {
	s.t.Helper()
	mark := s.reports.mark()
	s.ask("store-1", c)
	return s.ended(mark, c.ID)
}

func (s *site) ended(mark int, id string) (task command.Task) {
	s.t.Helper()
	s.reportSince(mark, "tells how the command ended", func(e status.Edge) bool {
		i := slices.IndexFunc(e.Tasks, func(t command.Task) bool { return t.ID == id && t.State.Ended() })
		if i >= 0 {
			task = e.Tasks[i]
		}
		return i >= 0
	})
	return task
}

// done is order for a command that has to succeed.
func (s *site) done(c command.Command) command.Task {
	s.t.Helper()
	t := s.order(c)
	if t.State != command.Done {
		s.t.Fatalf("the command failed: %+v", t)
	}
	return t
}

// about names parked groups.
func about(verb command.Verb, groups ...string) command.Command {
	c := command.New(verb)
	c.Groups = groups
	return c
}

func (s *site) putTarget(key, value string) {
	s.t.Helper()
	if _, err := s.target.Client().Put(s.t.Context(), key, value); err != nil {
		s.t.Fatal(err)
	}
}

func TestVerifyOfEqualSides(t *testing.T) {
	t.Parallel()
	s, _ := guardedSite(t)
	for _, deep := range []bool{false, true} {
		c := command.New(command.Verify)
		c.Deep = deep
		if task := s.done(c); task.Equal != 60 || task.Put+task.Delete != 0 || task.Revision == 0 {
			t.Errorf("deep %v: %+v", deep, task)
		}
	}
	plan := command.New(command.Plan)
	plan.Prefix = "/apps/"
	if task := s.done(plan); task.Equal != 30 || task.Put+task.Delete != 0 || task.Bytes != 0 {
		t.Errorf("the plan is %+v", task)
	}
}

// R7: what was changed at the target unseen, in a transaction that looks like
// one of the channel's, is named by diff, and repaired.
func TestDiffNamesWhatDiffers(t *testing.T) {
	t.Parallel()
	s, _ := guardedSite(t, withSlowHeartbeat)
	_, err := s.target.Client().Txn(t.Context()).Then(
		put("/syncer/mark/cloud/flags", "forged"), clientv3.OpDelete("/apps/000001"), put("/apps/000002", "by hand"),
		put("/apps/extra", "by hand"), put("/edge/flags/000003", "out of scope"),
	).Commit()
	if err != nil {
		t.Fatal(err)
	}
	diff := command.New(command.Diff)
	diff.Prefix = "/apps/"
	task := s.done(diff)
	if task.Equal != 28 || task.Put != 2 || task.Delete != 1 || task.Bytes == 0 {
		t.Errorf("counts are %+v", task)
	}
	var got []string
	for _, x := range task.Samples {
		got = append(got, x.How+" "+string(x.Key))
	}
	slices.Sort(got)
	want := "different /apps/000002, extra /apps/extra, missing /apps/000001"
	if strings.Join(got, ", ") != want {
		t.Errorf("samples are %q, want %q", got, want)
	}
	e := s.report("is in sync", in(status.InSync))
	s.waitEqual(patience)
	if e.Mismatches == 0 {
		t.Error("the difference was not counted")
	}
}

func TestResyncInFull(t *testing.T) {
	t.Parallel()
	s, _ := guardedSite(t)
	full := command.New(command.Resync)
	full.Full = true
	if task := s.done(full); task.Put != 0 || task.BytesDone != task.Bytes || task.Bytes == 0 {
		t.Errorf("a full resync of equal sides: %+v", task)
	}
	s.report("is in sync", in(status.InSync))
	if task := s.done(command.New(command.Resync)); task.Equal != 60 || task.Put+task.Delete != 0 {
		t.Errorf("a resync of equal sides: %+v", task)
	}
	s.report("is in sync", in(status.InSync))
}

// R4, guarantee "Everything is resumable": a resync of which the importer is
// killed half-way brings over what is left, not everything once more. That is
// so too when it was to bring over what does not differ.
func TestResyncSurvivesARestart(t *testing.T) {
	t.Parallel()
	for _, full := range []bool{false, true} {
		t.Run(fmt.Sprintf("full %v", full), func(t *testing.T) {
			s, d := guardedSite(t, withLinks)
			const keys, size = 5000, 2 << 10
			for i := range keys {
				s.put(fmt.Sprintf("/apps/bulk/%06d", i), noise(size))
			}
			s.report("is in sync", in(status.InSync))
			s.waitEqual(patience)
			resync := command.New(command.Resync)
			resync.Full = full
			half := func() bool { return s.noted(resync.ID) > keys*size/2 }
			if !full {
				half = func() bool { return s.held("/apps/bulk/") > keys/2 }
				d.stopImporter()
				s.do(func() error { return s.target.Wipe(t.Context()) })
			}
			s.edgeLink.Throttle(2 << 20)
			s.ask("store-1", resync)
			if !full {
				d.stopImporter = s.startImporter()
			}
			s.until("half of it has come", half)
			note := s.commandsFile()
			d.stopImporter()
			s.write("edge/commands.json", note) // a kill writes nothing on its way out
			_, before := s.edgeLink.Passed()
			mark := s.reports.mark()
			d.stopImporter = s.startImporter()
			task := s.ended(mark, resync.ID)
			s.report("is in sync", in(status.InSync))
			if _, after := s.edgeLink.Passed(); after-before > keys*size*3/4 {
				t.Errorf("after half of %d KiB %d KiB came", keys*size>>10, (after-before)>>10)
			}
			if task.State != command.Done || task.Bytes != task.BytesDone || full && task.Bytes < keys*size {
				t.Errorf("the resync ended as %+v", task)
			}
			s.waitEqual(patience)
		})
	}
}

// commandsFile is what the importer keeps of its commands.
func (s *site) commandsFile() string {
	raw, err := os.ReadFile(filepath.Join(s.edge.DataDir, "commands.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	return string(raw)
}

// noted is how many bytes of a resync in full the importer would not ask for
// again after a restart.
func (s *site) noted(id string) int {
	var file struct {
		Reached map[string]struct{ Bytes int }
	}
	if text := s.commandsFile(); text != "" {
		if err := json.Unmarshal([]byte(text), &file); err != nil {
			s.t.Fatal(err)
		}
	}
	return file.Reached[id].Bytes
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	s, d := guardedSite(t)
	s.done(command.New(command.Pause))
	s.report("is paused", in(status.Paused))
	s.put("/apps/later", "1")
	d.stopImporter()
	mark := s.reports.mark()
	d.stopImporter = s.startImporter()
	s.reportSince(mark, "is paused after a restart", in(status.Paused))
	if task := s.order(command.New(command.Plan)); task.State != command.Failed || task.Try != "syncer resume" {
		t.Errorf("a plan of a paused edge: %+v", task)
	}
	if s.held("/apps/later") != 0 {
		t.Error("a paused edge applies")
	}
	s.done(command.New(command.Resume))
	s.waitEqual(patience)
	s.report("is in sync", in(status.InSync))
}

// A paused edge goes on receiving. What it has it is not sent again when it comes
// back, and heartbeats from before it was resumed are not taken for new ones.
func TestPausedEdgeIsSentNothingTwice(t *testing.T) {
	t.Parallel()
	const keys, size = 100, 8 << 10
	s, d := guardedSite(t, withLinks)
	s.done(command.New(command.Pause))
	s.report("is paused", in(status.Paused))
	for i := range keys {
		s.put(fmt.Sprintf("/apps/later/%06d", i), noise(size))
	}
	s.report("has received it", func(e status.Edge) bool { return e.PendingBytes > keys*size/2 })
	beat := s.lastSeq()
	s.until("two more heartbeats", func() bool { return s.lastSeq() > beat+2 })
	_, before := s.edgeLink.Passed()
	for range 3 {
		d.stopImporter()
		mark := s.reports.mark()
		d.stopImporter = s.startImporter()
		s.reportSince(mark, "is paused after a restart", in(status.Paused))
	}
	s.done(command.New(command.Resume))
	s.waitEqual(patience)
	if e := s.report("is in sync", in(status.InSync)); e.Mismatches != 0 {
		t.Errorf("%d digests did not match", e.Mismatches)
	}
	if _, after := s.edgeLink.Passed(); after-before > keys*size/2 {
		t.Errorf("%d KiB came again", (after-before)>>10)
	}
}

// A paused edge deletes nothing that an older policy left there either, and comes
// back whatever somebody changed there meanwhile.
func TestPausedEdgeCleansNothingUp(t *testing.T) {
	t.Parallel()
	s, d := guardedSite(t)
	s.changePolicy(d, leanPolicy)
	drop := s.stopped("(no longer in the policy)").ID
	s.done(about(command.Drop, drop))
	s.done(command.New(command.Pause))
	s.report("is paused", in(status.Paused))
	s.putTarget("/apps/theirs", "1")
	d.stopImporter()
	mark := s.reports.mark()
	d.stopImporter = s.startImporter()
	s.reportSince(mark, "is paused after a restart", in(status.Paused))
	s.done(about(command.Drop, drop)) // it runs, and obeys
	if s.held("/apps/theirs") != 1 {
		t.Error("a paused edge deletes")
	}
	s.done(command.New(command.Resume))
	s.until("what is left of the older policy is gone", func() bool { return s.held("/apps/theirs") == 0 })
	s.report("says what it holds", in(status.Degraded))
}

// What the guard stopped is carried out when somebody approves it by name.
func TestApprove(t *testing.T) {
	t.Parallel()
	s, _ := guardedSite(t)
	s.deleteSource("/apps/")
	group := s.stopped("apps")
	if task := s.order(about(command.Approve, "1-00000000")); task.State != command.Failed || task.Try == "" {
		t.Errorf("approving an unknown group: %+v", task)
	}
	if n := s.held("/apps/"); n != 30 {
		t.Fatalf("%d keys are left", n)
	}
	if task := s.done(about(command.Approve, group.ID)); task.Delete != 30 {
		t.Errorf("approved: %+v", task)
	}
	s.waitEqual(patience)
	e := s.report("is in sync", in(status.InSync))
	if e.ParkedKeys != 0 {
		t.Errorf("%d keys are parked", e.ParkedKeys)
	}
}

// A dropped group stays shown and is not tried again by itself.
func TestDropAndRetry(t *testing.T) {
	t.Parallel()
	s, _ := guardedSite(t, withTarget(smallTarget))
	s.put("/apps/big", strings.Repeat("x", 600<<10))
	group := s.report("is degraded", in(status.Degraded)).Parked[0]
	s.done(about(command.Drop, group.ID))
	s.report("shows the drop", func(e status.Edge) bool { return e.State == status.Degraded && e.Parked[0].Dropped })
	s.done(command.New(command.Resync))
	s.report("is degraded still", func(e status.Edge) bool { return e.State == status.Degraded && e.Parked[0].Dropped })
	if task := s.order(about(command.Retry, group.ID)); task.State != command.Failed || !strings.Contains(task.Reason, "/apps/big") || task.Try == "" {
		t.Errorf("trying again: %+v", task)
	}
	if err := s.target.Reconfigure(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	s.done(about(command.Retry, group.ID))
	s.waitEqual(patience)
	s.report("is in sync", in(status.InSync))
}

// An index that is wrong, whatever made it so, does not fool a comparison: the
// source is read, and the index is made anew.
func TestIndexThatIsWrong(t *testing.T) {
	t.Parallel()
	for _, deep := range []bool{false, true} {
		t.Run(fmt.Sprintf("deep %v", deep), func(t *testing.T) {
			s, d := guardedSite(t)
			d.stopExporter()
			s.spoilIndex("/apps/000007")
			stopped := time.Now()
			d.stopExporter = s.startExporter()
			before := s.exporterReport("is active", func(e status.Exporter) bool { return len(e.Channels) == 1 && e.Reported.After(stopped) })
			c := command.New(command.Verify)
			c.Deep = deep
			s.done(c)
			s.exporterReport("has made its index anew", func(e status.Exporter) bool {
				return len(e.Channels) == 1 && e.Channels[0].Resets > before.Channels[0].Resets
			})
			if task := s.done(command.New(command.Verify)); task.Put+task.Delete != 0 || task.Equal != 60 {
				t.Errorf("after that: %+v", task)
			}
			s.report("is in sync", in(status.InSync))
			s.waitEqual(patience)
		})
	}
}

// spoilIndex changes what the index of a stopped exporter says of a key.
func (s *site) spoilIndex(key string) {
	s.t.Helper()
	db, err := bolt.Open(s.indexFile(), 0o600, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		keys := tx.Bucket([]byte("keys"))
		entry := slices.Clone(keys.Get([]byte(key)))
		entry[len(entry)-1] ^= 1
		return keys.Put([]byte(key), entry)
	})
	if err := db.Close(); err != nil {
		s.t.Fatal(err)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// A command that the edge has seen goes away when it attaches again.
func TestCommandIsNotSentForEver(t *testing.T) {
	t.Parallel()
	s, d := guardedSite(t)
	s.done(command.New(command.Verify))
	seq := s.lastSeq()
	s.report("has seen what came after the command", func(e status.Edge) bool { return s.lastSeq() > seq+2 && e.State == status.InSync })
	d.stopImporter()
	mark := s.reports.mark()
	d.stopImporter = s.startImporter()
	s.reportSince(mark, "is in sync", in(status.InSync))
	info, err := s.stream().Info(t.Context(), jetstream.WithSubjectFilter(syncstream.OrderSubject("cloud", "store-1")))
	if err != nil || len(info.State.Subjects) != 0 {
		t.Errorf("the hub holds the command still: %v, %v", info.State.Subjects, err)
	}
}

// A command that was given while the edge was away is carried out when it comes
// back, also when it has to go on from a later place of the stream, or when
// nothing but the command is left of what lies between.
func TestCommandWaitsForItsEdge(t *testing.T) {
	t.Parallel()
	type step func(*site)
	lost := func(s *site) { s.remove(s.inboxFile()) }
	put := func(s *site) {
		s.put("/apps/later", "1")
		s.exporterHas(s.lastSelected())
	}
	purge := func(s *site) {
		if err := s.stream().Purge(s.t.Context(), jetstream.WithPurgeSubject(syncstream.LogSubject("cloud", "flags"))); err != nil {
			s.t.Fatal(err)
		}
	}
	for name, meanwhile := range map[string][]step{
		"history is there":         nil,
		"history is gone":          {lost, put, purge},
		"what follows it is there": {lost, purge, put},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := guardedSite(t)
			d.stopImporter()
			pause := command.New(command.Pause)
			s.ask("store-1", pause)
			for _, do := range meanwhile {
				do(s)
			}
			mark := s.reports.mark()
			d.stopImporter = s.startImporter()
			s.reportSince(mark, "is paused", in(status.Paused))
			s.done(command.New(command.Resume))
			s.report("is in sync", in(status.InSync))
			s.waitEqual(patience)
		})
	}
}

// Commands keep their order, also when the edge passes over the first of them and
// comes past the second: of a pause and the resume after it the last one counts.
func TestCommandsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	s, d := guardedSite(t)
	d.stopImporter()
	pause, resume := command.New(command.Pause), command.New(command.Resume)
	s.ask("store-1", pause)
	s.changePolicy(d, leanPolicy) // what comes is no continuation of what the edge has
	s.ask("store-1", resume)
	mark := s.reports.mark()
	d.stopImporter = s.startImporter()
	s.reportSince(mark, "has done both and is not paused", func(e status.Edge) bool {
		done := func(c command.Command) bool {
			return slices.ContainsFunc(e.Tasks, func(t command.Task) bool { return t.ID == c.ID && t.State == command.Done })
		}
		return done(pause) && done(resume) && e.State == status.Halted // it asks about the rule that is gone
	})
}
