package importer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// Parts of an importer that can be in trouble, worst first.
const (
	partTarget = "target"
	partInbox  = "inbox"
	partPair   = "pairing"
	partHub    = "hub"
)

// view is what the importer knows about itself for its status. Its methods may
// be called at the same time.
type view struct {
	mu        sync.Mutex
	edge      status.Edge
	heartbeat time.Duration
	troubles  map[string]error
	heardAt   time.Time // by the local clock
	sent      time.Time // when the newest applied frame was sent
	attached  bool
	since     time.Time   // when the exporter attached it, by the exporter's clock
	proven    bool        // a heartbeat that was sent then or later was verified
	repairs   string      // reason of the repair that runs
	asking    []time.Time // since when requests to the target are under way
	inbox     inbox       // nil until it is open
	next      uint64      // the first inbox record that is not applied
	tasks     []command.Task
	speed     float64 // bytes per second of the link, as they came in
	ratio     float64 // of what a body takes on the wire
	paused    bool
	changed   chan struct{}
}

func newView(cfg Config) *view {
	return &view{
		edge: status.Edge{
			Format: status.Format, Name: cfg.Name, Source: cfg.Source, Policy: cfg.Channel,
			Instance: cfg.Instance, Version: cfg.Version,
		},
		heartbeat: 2 * time.Second,
		troubles:  make(map[string]error),
		changed:   make(chan struct{}, 1),
	}
}

// update changes the view under its lock and wakes the reporter when the state
// that people see changes with it.
func (v *view) update(fn func()) {
	v.mu.Lock()
	before := v.state()
	fn()
	after := v.state()
	v.mu.Unlock()
	if before != after {
		v.wake()
	}
}

// wake has the reporter report now.
func (v *view) wake() {
	select {
	case v.changed <- struct{}{}:
	default:
	}
}

func (v *view) received(revision int64, dropped int) {
	v.update(func() {
		v.edge.ReceivedRevision = max(v.edge.ReceivedRevision, revision)
		v.edge.Replayed += int64(dropped)
	})
}

// inbox is what the importer has received and not forgotten.
type inbox interface {
	Next() uint64
	Bytes() int64
}

func (v *view) open(in inbox) { v.update(func() { v.inbox = in }) }

// pending is what waits in the inbox to be applied. mu is held.
func (v *view) pending() (records int, bytes int64) {
	if v.inbox == nil || v.inbox.Next() <= v.next {
		return 0, 0
	}
	return int(v.inbox.Next() - v.next), v.inbox.Bytes()
}

// applied notes that everything before an inbox record is applied.
func (v *view) applied(position int64, sent time.Time, next uint64) {
	v.update(func() {
		v.edge.AppliedRevision = position
		v.next = next
		if !sent.IsZero() {
			v.sent = sent
		}
	})
}

// committed notes the cursor. Revisions of another lineage do not compare with
// those before.
func (v *view) committed(c target.Cursor) {
	v.update(func() {
		if c.Lineage != v.edge.Lineage {
			v.edge.AppliedRevision, v.edge.ReceivedRevision, v.edge.SourceRevision = 0, c.Revision, c.Revision
			v.edge.VerifiedRevision = 0
		}
		if v.paused && !c.Paused {
			v.heardAt = time.Now() // what was missed meanwhile is no silence
		}
		v.paused = c.Paused
		v.edge.Lineage, v.edge.Consistent, v.edge.Torn = c.Lineage, c.Consistent, c.TornCount
		v.edge.AppliedRevision = max(c.Revision, v.edge.AppliedRevision)
	})
}

func (v *view) verified(revision int64, d digest.Digest) {
	v.update(func() {
		v.edge.VerifiedRevision, v.edge.Keys, v.edge.Digest = revision, d.Count, d.String()
		v.edge.RangesLeft, v.edge.BytesLeft, v.repairs = 0, 0, ""
		// One heartbeat of tolerance, for the one that is sent while the exporter answers.
		v.proven = v.proven || !v.sent.Before(v.since.Add(-v.heartbeat))
	})
}

func (v *view) heard(sent time.Time, s change.State) {
	v.update(func() {
		v.edge.Heartbeat, v.heardAt, v.sent = sent, time.Now(), sent
		v.edge.SourceRevision = max(v.edge.SourceRevision, s.SourceRevision)
		v.edge.Refused = s.Refused
	})
}

func (v *view) mismatched() { v.update(func() { v.edge.Mismatches++ }) }

func (v *view) resync(reason string) {
	v.update(func() {
		v.edge.Resyncs++
		v.repairs = reason
	})
}

func (v *view) gap() { v.update(func() { v.edge.Gaps++ }) }

func (v *view) comparing(c *comparison) {
	if c.dry {
		return // it changes nothing
	}
	v.update(func() {
		v.repairs = c.reason
		v.edge.RangesLeft = len(c.left) + len(c.out)
		v.edge.BytesLeft = int64(c.outBytes)
		for _, d := range c.left {
			v.edge.BytesLeft += int64(d.Bytes)
		}
	})
}

// park shows what is parked.
func (v *view) park(p *parked) {
	groups, keys, settled := p.report()
	v.update(func() { v.edge.Parked, v.edge.ParkedKeys, v.edge.LocalKeys = groups, keys, settled })
	v.wake()
}

// sees notes up to which revision of the target the writes of others are known,
// 0 when they are not.
func (v *view) sees(revision int64) { v.update(func() { v.edge.LocalRevision = revision }) }

// met counts a conflict.
func (v *view) met(kind conflict.Type) {
	v.update(func() {
		counts := maps.Clone(v.edge.Conflicts) // reports hold the one before
		if counts == nil {
			counts = make(map[string]int64)
		}
		counts[string(kind)]++
		v.edge.Conflicts = counts
	})
}

// flowed notes how fast messages came in, in bytes per second.
func (v *view) flowed(speed float64) {
	v.update(func() { v.speed = smooth(v.speed, speed) })
}

// shrank notes what a body of so many bytes took on the wire.
func (v *view) shrank(raw, wire int) {
	if raw >= 4<<10 {
		v.update(func() { v.ratio = smooth(v.ratio, float64(wire)/float64(raw)) })
	}
}

// thinLink is the speed, in bytes per second, below which a link is worth more of
// the exporter's time: satellites and most of LTE. Nothing tells a slow edge from a
// slow link, and chunks are made for each edge by itself, so it is well below what
// a small edge writes.
const thinLink = 4 << 20

// thin reports whether the link was measured to be slow.
func (v *view) thin() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.speed > 0 && v.speed < thinLink
}

func smooth(old, now float64) float64 {
	if old == 0 {
		return now
	}
	return (3*old + now) / 4
}

// rate is the measured speed of the link, 0 when nothing was measured, and how
// much of it so many bytes will take.
func (v *view) rate(bytes int64) (speed float64, transfer int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	ratio := v.ratio
	if ratio == 0 {
		ratio = 1
	}
	return v.speed, int64(float64(bytes) * ratio)
}

// attach notes that the edge was attached at a time of the exporter's clock. What
// it reads first may have been sent long before.
func (v *view) attach(at time.Time, heartbeat time.Duration) {
	v.update(func() {
		v.attached, v.proven, v.since, v.heardAt = true, false, at, time.Now()
		if heartbeat > 0 {
			v.heartbeat = heartbeat
		}
	})
}

func (v *view) detach() {
	v.update(func() { v.attached, v.proven, v.heardAt = false, false, time.Now() })
}

// fed notes whose frames the edge gets.
func (v *view) fed(channel string) { v.update(func() { v.edge.Channel = channel }) }

// trouble notes that a part of the importer cannot do its work, or that it can
// again.
func (v *view) trouble(part string, err error) {
	v.update(func() {
		if err == nil {
			delete(v.troubles, part)
		} else {
			v.troubles[part] = err
		}
	})
}

// unanswered is how long the target may take over one request before that is
// trouble: the request waits for the target, however long it is away.
const unanswered = 5 * time.Second

// ask notes that a request to the target is under way until done is called.
func (v *view) ask() (done func()) {
	since := time.Now()
	v.update(func() { v.asking = append(v.asking, since) })
	return func() {
		v.update(func() {
			i := slices.IndexFunc(v.asking, since.Equal)
			v.asking = slices.Delete(v.asking, i, i+1)
		})
	}
}

// silence is the trouble with a target that does not answer, if it does not.
func (v *view) silence() error {
	if len(v.asking) == 0 {
		return nil
	}
	waited := time.Since(slices.MinFunc(v.asking, time.Time.Compare))
	if waited < unanswered {
		return nil
	}
	return fault.New(fault.Unreachable, "check that the target etcd is running, has a leader, and is reachable",
		"the target etcd does not answer")
}

// maxEnded is how many tasks that have ended a report tells of. It tells of all
// others: there are not many more than may wait.
const maxEnded = 8

// task notes how far a command is. Its start is when it is first heard of.
func (v *view) task(t command.Task) {
	v.update(func() {
		if len(t.ParkedKeys) > 0 { // a report has room for one such page
			for i := range v.tasks {
				if old := &v.tasks[i]; len(old.ParkedKeys) > 0 {
					old.ParkedKeys, old.More = nil, true
				}
			}
		}
		v.tasks = withoutOld(noted(v.tasks, t))
	})
	v.wake()
}

// withoutOld leaves out the tasks that ended first.
func withoutOld(tasks []command.Task) []command.Task {
	for {
		first, ended := -1, 0
		for i, t := range tasks {
			if !t.State.Ended() {
				continue
			}
			if ended++; first < 0 || t.Ended.Before(tasks[first].Ended) {
				first = i
			}
		}
		if ended <= maxEnded {
			return tasks
		}
		tasks = slices.Delete(tasks, first, first+1)
	}
}

func noted(tasks []command.Task, t command.Task) []command.Task {
	if t.State.Ended() {
		t.Ended = time.Now()
	}
	for i := range tasks {
		if tasks[i].ID == t.ID {
			t.Started = tasks[i].Started
			tasks[i] = t
			return tasks
		}
	}
	t.Started = time.Now()
	return append(tasks, t)
}

func (v *view) tier(tier string) { v.update(func() { v.edge.Tier = tier }) }

// status is the report as of now.
func (v *view) status() status.Edge {
	v.mu.Lock()
	defer v.mu.Unlock()
	e := v.edge
	s := v.state()
	e.PendingChanges, e.PendingBytes = v.pending()
	e.State, e.Reason, e.Try = s.state, s.reason, s.try
	e.Reported, e.Tasks = time.Now(), slices.Clone(v.tasks)
	if behind := e.PendingChanges > 0 || e.ReceivedRevision > e.AppliedRevision; behind && !v.sent.IsZero() {
		e.LagSeconds = time.Since(v.sent).Seconds()
	}
	return e
}

type verdict struct {
	state       status.State
	reason, try string
}

// guarded is a group of deletes that the guard asks about, if there is one.
func (v *view) guarded() *status.Parked {
	i := slices.IndexFunc(v.edge.Parked, func(p status.Parked) bool { return p.Why == status.MassDelete && !p.Dropped })
	if i < 0 {
		return nil
	}
	return &v.edge.Parked[i]
}

// state is the importer's own verdict. `in-sync` needs proof: the newest
// heartbeat, not older than a few intervals, was verified at its revision.
func (v *view) state() verdict {
	for _, err := range []error{v.troubles[partTarget], v.silence(), v.troubles[partInbox], v.troubles[partPair]} {
		if err != nil {
			return verdict{status.Halted, err.Error(), fault.Try(err)}
		}
	}
	if err := v.troubles[partHub]; err != nil {
		return verdict{status.Disconnected, err.Error(), fault.Try(err)}
	}
	quiet := time.Duration(silentBeats) * v.heartbeat
	waiting, _ := v.pending()
	switch {
	case v.attached && v.paused: // it takes in no heartbeat
		return verdict{status.Paused, "an operator paused it: changes are received and not applied", "syncer resume " + v.edge.Name}
	case v.attached && time.Since(v.heardAt) > quiet:
		return verdict{status.Stale, "the exporter is silent", "look at the exporter: syncer status on the cloud side"}
	case !v.attached:
		return verdict{status.Disconnected, "not attached to the exporter yet", ""}
	case v.guarded() != nil:
		g := v.guarded()
		return verdict{status.Halted, g.Reason, "syncer resync " + v.edge.Name + " --approve, or bring the keys back at the source"}
	case v.repairs != "" && v.edge.RangesLeft == 0 && v.edge.Mismatches > 0 && !v.edge.Consistent:
		return verdict{status.ResyncNeeded, v.repairs, ""}
	case !v.edge.Consistent:
		reason := v.repairs
		if reason == "" {
			reason = "waiting for the comparison with the source"
		}
		return verdict{status.Bootstrapping, reason, ""}
	case !v.proven:
		return verdict{status.CatchingUp, "waiting for the first proof of equality since it attached", ""}
	case v.edge.ParkedKeys > 0:
		p := v.edge.Parked[0]
		return verdict{status.Degraded, fmt.Sprintf("%d keys are parked: %s", v.edge.ParkedKeys, p.Reason), cmp.Or(p.Try, "syncer parked list")}
	case v.edge.Refused > 0:
		return verdict{status.Degraded, status.RefusedReason(v.edge.Refused), "look at the exporter: syncer status on the cloud side"}
	case waiting > 0 && !v.sent.IsZero() && time.Since(v.sent) > quiet:
		return verdict{status.CatchingUp, "changes are waiting to be applied", ""}
	default:
		return verdict{status.InSync, "", ""}
	}
}
