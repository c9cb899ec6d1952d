package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sort"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/guarantee"
	"github.com/syncer-io/syncer/replicator/testbed/history"
)

var cursorKey = target.CursorKey{Source: "cloud", Channel: "flags"}

func decodeCursor(value string) (guarantee.Cursor, error) {
	var c target.Cursor
	err := json.Unmarshal([]byte(value), &c)
	return guarantee.Cursor{Lineage: c.Lineage.String(), Revision: c.Revision, Consistent: c.Consistent && c.Parked == 0 && c.Ahead <= c.Revision, Torn: c.Torn}, err
}

// truth is what really happened at both ends. A target that is set back or
// wiped begins another segment.
type truth struct {
	r       *rig
	source  *segment
	targets []*segment

	edited map[string]bool // delivered keys that somebody wrote at the target
	local  map[int64]bool  // revisions of the target at which that was
}

// segment is one unbroken history, with the times at which its revisions were
// seen.
type segment struct {
	recorder *history.Recorder
	began    time.Time
	stop     context.CancelFunc
	noting   sync.WaitGroup
	// On a kine: what is recorded, and whether an importer died within a commit.
	name    string
	crashed bool

	mu    sync.Mutex
	times []seen
}

type seen struct {
	revision int64
	at       time.Time
}

func (r *rig) record() *truth {
	r.t.Helper()
	return &truth{r: r, source: r.follow(r.source), targets: []*segment{r.follow(r.store())}}
}

func (r *rig) follow(etcd store) *segment {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	recorder, err := history.Record(ctx, etcd.Client())
	if err != nil {
		r.t.Fatal(err)
	}
	noting, stop := context.WithCancel(context.Background())
	s := &segment{recorder: recorder, began: time.Now(), stop: stop}
	s.noting.Go(func() {
		_ = recorder.WaitFor(noting, func(h history.History) bool { // it ends with the recorder
			s.mu.Lock()
			defer s.mu.Unlock()
			s.times = append(s.times, seen{h.Last(), time.Now()})
			return false
		})
	})
	r.t.Cleanup(func() { _ = s.close() })
	return s
}

func (s *segment) close() error {
	s.stop()
	s.noting.Wait()
	return s.recorder.Close()
}

// at is when a revision was seen.
func (s *segment) at(revision int64) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := sort.Search(len(s.times), func(i int) bool { return s.times[i].revision >= revision })
	if i == len(s.times) {
		return s.began
	}
	return s.times[i].at
}

func (tr *truth) target() *segment { return tr.targets[len(tr.targets)-1] }

// breakTarget ends the target's history with a fault and begins another.
func (tr *truth) breakTarget(fault func(ctx context.Context) error) {
	tr.r.t.Helper()
	ctx, cancel := context.WithTimeout(tr.r.t.Context(), patience)
	defer cancel()
	if err := tr.target().close(); err != nil {
		tr.r.t.Fatal(err)
	}
	if err := fault(ctx); err != nil {
		tr.r.t.Fatal(err)
	}
	tr.targets = append(tr.targets, tr.r.follow(tr.r.store()))
}

func (tr *truth) catchUp(s *segment) {
	tr.r.t.Helper()
	ctx, cancel := context.WithTimeout(tr.r.t.Context(), patience)
	defer cancel()
	if _, err := s.recorder.CatchUp(ctx); err != nil {
		tr.r.t.Fatal(err)
	}
}

// cursor waits until the target's cursor, as written from now on, satisfies a
// condition.
func (tr *truth) cursor(what string, condition func(guarantee.Cursor) bool) {
	tr.r.t.Helper()
	ctx, cancel := context.WithTimeout(tr.r.t.Context(), patience)
	defer cancel()
	from := tr.target().recorder.Last()
	err := tr.target().recorder.WaitFor(ctx, func(h history.History) bool {
		for _, rev := range h.After(from) {
			from = rev.Revision
			for _, e := range rev.Events {
				if c, err := decodeCursor(e.Value); e.Key == cursorKey.String() && err == nil && condition(c) {
					return true
				}
			}
		}
		return false
	})
	if err != nil {
		tr.r.t.Fatalf("no cursor %s: %v", what, err)
	}
}

// moves waits until the target's cursor has passed what the source holds now.
func (tr *truth) moves() {
	tr.r.t.Helper()
	tr.catchUp(tr.source)
	now := tr.source.recorder.Last()
	tr.cursor(fmt.Sprintf("beyond revision %d", now), func(c guarantee.Cursor) bool { return c.Consistent && c.Revision > now })
}

// check holds every guarantee against the recorded histories.
func (tr *truth) check() {
	tr.r.t.Helper()
	tr.catchUp(tr.source)
	tr.catchUp(tr.target())
	if tr.r.kine != nil { // whose guarantees are fewer
		return
	}
	for i, s := range tr.targets {
		c := tr.caseOf(s)
		last := i == len(tr.targets)-1 // those before were broken before they could converge
		err := following(c)
		if last {
			err = errors.Join(err, guarantee.Convergent(c))
		}
		c.Selection = rules
		if err := errors.Join(err, guarantee.Contained(c), guarantee.Absence(c)); err != nil {
			tr.r.t.Errorf("guarantees broken in target history %d:\n%v", i, err)
		}
		tr.r.t.Logf("target history %d: %d revisions, source: %d revisions", i, len(c.Target.Revs), len(c.Source.Revs))
	}
}

// caseOf is what was recorded of one target.
func (tr *truth) caseOf(s *segment) guarantee.Case {
	return guarantee.Case{
		Source: tr.source.recorder.History(), Target: s.recorder.History(),
		CursorKey: cursorKey.String(), Decode: decodeCursor,
		Selection: guarantee.Except{Selection: rules, Keys: tr.edited},
		Local:     func(revision int64) bool { return tr.local[revision] },
	}
}

// following is every guarantee that holds at any time.
func following(c guarantee.Case) error {
	return errors.Join(
		guarantee.Prefix(c), guarantee.Atomic(c), guarantee.Ordered(c), guarantee.Once(c),
		guarantee.Resumable(c),
	)
}

// equal compares both ends as they stand now.
func (tr *truth) equal() error {
	tr.r.t.Helper()
	want, have := tr.r.selected(), tr.r.owned()
	if maps.Equal(want, have) {
		return nil
	}
	missing, foreign, other := 0, 0, 0
	for k, v := range want {
		if w, ok := have[k]; !ok {
			missing++
		} else if v != w {
			other++
		}
	}
	for k := range have {
		if _, ok := want[k]; !ok {
			foreign++
		}
	}
	return fmt.Errorf("of %d keys %d are missing and %d differ, and %d are too many", len(want), missing, other, foreign)
}

// selected is the source's selection as it stands now, owned the target's.
func (r *rig) selected() map[string]string {
	r.t.Helper()
	out := map[string]string{}
	for k, v := range r.content(r.source) {
		if key, ok := rules.Map(k); ok {
			out[key] = v
		}
	}
	return out
}

func (r *rig) owned() map[string]string {
	r.t.Helper()
	out := r.content(r.store())
	maps.DeleteFunc(out, func(k, _ string) bool { return !rules.Owns(k) })
	return out
}

func (r *rig) content(etcd store) map[string]string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	resp, err := etcd.Client().Get(ctx, "\x00", clientv3.WithFromKey())
	if err != nil {
		r.t.Fatalf("read %s: %v", etcd.Endpoint(), err)
	}
	out := map[string]string{}
	for _, kv := range resp.Kvs {
		out[string(kv.Key)] = string(kv.Value)
	}
	return out
}

// standing is how a target stood from a moment on.
type standing struct {
	at     time.Time
	cursor guarantee.Cursor
	digest digest.Digest
}

// standings is every state that the targets were in, in order.
func (tr *truth) standings() []standing {
	var out []standing
	for _, s := range tr.targets {
		h := s.recorder.History()
		table := digest.NewTable()
		now := standing{at: s.began}
		take := func(e history.Event) {
			switch {
			case e.Key == cursorKey.String():
				now.cursor, _ = decodeCursor(e.Value)
			case !rules.Owns(e.Key):
			case e.Delete:
				table.Delete([]byte(e.Key))
			default:
				table.Put([]byte(e.Key), []byte(e.Value))
			}
		}
		for k, v := range h.Content {
			take(history.Event{Key: k, Value: v})
		}
		now.digest = table.Digest()
		out = append(out, now)
		for _, rev := range h.Revs {
			for _, e := range rev.Events {
				take(e)
			}
			now.at, now.digest = s.at(rev.Revision), table.Digest()
			out = append(out, now)
		}
	}
	return out
}

// pastSource is the source's selection at every revision.
type pastSource struct {
	revisions []int64
	digests   []digest.Digest
	changed   []seen // when the selection changed
}

func (tr *truth) pastSource() pastSource {
	h := tr.source.recorder.History()
	table := digest.NewTable()
	for k, v := range h.Content {
		if key, ok := rules.Map(k); ok {
			table.Put([]byte(key), []byte(v))
		}
	}
	p := pastSource{revisions: []int64{h.Base}, digests: []digest.Digest{table.Digest()}}
	for _, rev := range h.Revs {
		for _, e := range rev.Events {
			key, ok := rules.Map(e.Key)
			switch {
			case !ok:
			case e.Delete:
				table.Delete([]byte(key))
			default:
				table.Put([]byte(key), []byte(e.Value))
			}
		}
		if d := table.Digest(); d != p.digests[len(p.digests)-1] {
			p.changed = append(p.changed, seen{rev.Revision, tr.source.at(rev.Revision)})
		}
		p.revisions, p.digests = append(p.revisions, rev.Revision), append(p.digests, table.Digest())
	}
	return p
}

func (p pastSource) at(revision int64) digest.Digest {
	next := sort.Search(len(p.revisions), func(i int) bool { return p.revisions[i] > revision })
	return p.digests[max(next-1, 0)]
}

// newest is the last change of the selection that was seen before a moment.
func (p pastSource) newest(before time.Time) int64 {
	next := sort.Search(len(p.changed), func(i int) bool { return p.changed[i].at.After(before) })
	if next == 0 {
		return p.revisions[0]
	}
	return p.changed[next-1].revision
}

const (
	// slack is how late a recorder may see what a report already speaks of.
	slack = 2 * time.Second
	// unheard is how long a change may be on its way before an edge that does
	// not have it must not be called in sync any more.
	unheard = 20 * time.Second
)

// honest holds every claim of being in sync against what the target held when
// the claim was made: the source's selection at the cursor's revision, or, when
// that is further, at the revision that the claim calls verified.
func (tr *truth) honest(claims []claim) {
	tr.r.t.Helper()
	targets, source := tr.standings(), tr.pastSource()
	judged := 0
	answers, reports := map[status.State]int{}, map[status.State]int{}
	for _, c := range claims {
		if c.report {
			reports[c.item.State]++
		} else {
			answers[c.item.State]++
		}
		if c.item.State != status.InSync {
			continue
		}
		judged++
		if err := source.supports(c, targets); err != nil {
			raw, _ := json.Marshal(c.item)
			tr.r.t.Errorf("a claim of being in sync does not hold: %v\n%s", err, raw)
		}
	}
	tr.r.t.Logf("%d claims of being in sync judged; syncer status said %v, the edge reported %v", judged, answers, reports)
	if judged == 0 {
		tr.r.t.Error("nothing was ever said to be in sync")
	}
}

func (p pastSource) supports(c claim, targets []standing) error {
	it := c.item
	if it.AgeSeconds == nil {
		return errors.New("it has no age")
	}
	made := c.asked.Add(-time.Duration(*it.AgeSeconds * float64(time.Second)))
	if want := p.at(it.VerifiedRevision).Count; it.Keys != want {
		return fmt.Errorf("it counts %d keys at revision %d, the source had %d", it.Keys, it.VerifiedRevision, want)
	}
	if want := p.at(it.VerifiedRevision).String(); c.report && c.digest != want {
		return fmt.Errorf("its digest is %s at revision %d, the source had %s", c.digest, it.VerifiedRevision, want)
	}
	if newest := p.newest(c.asked.Add(-unheard)); !c.report && max(it.AppliedRevision, it.VerifiedRevision) < newest {
		return fmt.Errorf("revision %d of the source is older than %v and not applied", newest, unheard)
	}
	if !p.held(c, made, targets) {
		return fmt.Errorf("the target never held that between %v and %v", made.Format(clock), c.answered.Format(clock))
	}
	return nil
}

const clock = "15:04:05.000"

// held reports whether the target held what a claim says at some time between
// the making of the report and the answer.
func (p pastSource) held(c claim, made time.Time, targets []standing) bool {
	it := c.item
	for i, s := range targets {
		over := i+1 < len(targets) && targets[i+1].at.Before(made.Add(-slack))
		if over || s.at.After(c.answered.Add(slack)) {
			continue
		}
		if !s.cursor.Consistent || s.cursor.Torn != 0 || s.cursor.Lineage != it.Lineage.String() {
			continue
		}
		if s.digest == p.at(max(s.cursor.Revision, it.VerifiedRevision)) {
			return true
		}
	}
	return false
}
