package e2e

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/guarantee"
	"github.com/syncer-io/syncer/replicator/testbed/history"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// chaos does to a site, in random order, everything that happens in the field:
// to the source, the edge's etcd, the daemons, their files, the hub and the
// policy, and what operators ask for. The guard is the default one, and the
// target takes less than the source holds.
type chaos struct {
	*site
	tr     *truth
	d      *daemons
	random *rand.Rand

	whole    string // digest of the policy with all rules
	lean     bool   // the policy is the one without a rule
	foreign  int    // keys that the target may hold other than digests say: local deletes, refused puts
	approved []approval
}

// approval is what an operator let go, known at a revision of a history of the
// target.
type approval struct {
	target   *segment
	revision int64
	keys     [][]byte
}

// leanRules is leanPolicy in the words of the validators.
var leanRules = rules[:1]

func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	t.Logf("chaos: %s=%d", workload.SeedVariable, seed)
	s := newSite(t, withPolicy(guardedPolicy), withTarget(smallTarget))
	c := &chaos{site: s, tr: s.record(), random: rand.New(rand.NewPCG(seed, 1))}
	c.burst()
	c.d = &daemons{stopExporter: s.startExporter(), stopImporter: s.startImporter()}
	s.report("is in sync", in(status.InSync))
	c.whole = c.cursor().Policy
	return c
}

func (c *chaos) cursor() (out target.Cursor) {
	c.t.Helper()
	cursor, _, _, err := c.opened().Load(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return cursor
}

// opened is the target as its importer sees it.
func (c *chaos) opened() *target.Target {
	c.t.Helper()
	opened, err := target.Open(c.t.Context(), c.target.Client(), cursorKey, c.logger, target.WithLimits(target.Limits{MaxOps: 128, MaxBytes: 512 << 10}))
	if err != nil {
		c.t.Fatal(err)
	}
	return opened
}

// groups are those that are parked now.
func (c *chaos) groups() []target.Parked {
	c.t.Helper()
	groups, err := c.opened().Parked(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return groups
}

// acts are what may happen, and how often.
var acts = []struct {
	name   string
	weight int
	do     func(*chaos)
}{
	{"burst", 20, (*chaos).burst},
	{"fill", 6, func(c *chaos) { c.fill(c.prefix(), 10+c.random.IntN(40), 10+c.random.IntN(2000)) }},
	{"delete few", 6, func(c *chaos) { c.deleteSource(fmt.Sprintf("%s%05d", c.prefix(), c.random.IntN(3))) }},
	{"delete a group", 4, func(c *chaos) { c.deleteSource(fmt.Sprintf("%sg%d/", c.prefix(), c.random.IntN(8))) }},
	{"delete many", 4, func(c *chaos) { c.deleteSource(c.prefix()) }},
	{"too large", 6, (*chaos).tooLarge},
	{"local edits", 4, (*chaos).localEdits},
	{"local deletes", 4, (*chaos).localDeletes},
	{"edits in a row", 4, (*chaos).editsInARow},
	{"command", 20, (*chaos).command},
	{"approve", 6, func(c *chaos) { c.approve(c.groups()) }},
	{"resume", 6, func(c *chaos) { c.ask("store-1", command.New(command.Resume)) }},
	{"importer restarts", 8, func(c *chaos) { c.withoutImporter(func() {}) }},
	{"exporter restarts", 8, func(c *chaos) { c.withoutExporter(func() {}) }},
	{"inbox is lost", 3, func(c *chaos) { c.withoutImporter(func() { c.lose(c.inboxFile()) }) }},
	{"data directory is lost", 2, func(c *chaos) {
		c.withoutImporter(func() {
			c.lose(c.inboxFile())
			c.lose(c.edge.DataDir + "/channel.json")
			c.lose(c.edge.DataDir + "/commands.json")
		})
	}},
	{"index is lost", 3, func(c *chaos) { c.withoutExporter(func() { c.lose(c.indexFile()) }) }},
	{"stream is purged", 3, (*chaos).purge},
	{"source is compacted", 4, func(c *chaos) { c.compact(c.source.Client(), c.tr.source) }},
	{"target is compacted", 4, func(c *chaos) { c.compact(c.target.Client(), c.tr.target().recorder) }},
	{"target is wiped", 2, func(c *chaos) {
		c.tr.catchUp(c.tr.target().recorder)
		c.tr.breakTarget(func() error { return c.target.Wipe(c.t.Context()) })
	}},
	{"hub restarts", 3, func(c *chaos) {
		c.stopHub()
		c.startHub()
		c.until("the test is back at the hub", c.admin.IsConnected)
	}},
	{"policy changes", 4, func(c *chaos) { c.setPolicy(!c.lean) }},
}

// step does one thing, and sometimes waits until the edge has a word for it.
func (c *chaos) step(i int) {
	c.t.Helper()
	total := 0
	for _, a := range acts {
		total += a.weight
	}
	n := c.random.IntN(total)
	at := slices.IndexFunc(acts, func(a struct {
		name   string
		weight int
		do     func(*chaos)
	}) bool {
		n -= a.weight
		return n < 0
	})
	mark := c.reports.mark()
	c.logger.Info("chaos", "step", i, "act", acts[at].name)
	acts[at].do(c)
	switch c.random.IntN(4) {
	case 0:
		c.reportSince(mark, "says anything", func(status.Edge) bool { return true })
	case 1:
		c.report("has settled", func(e status.Edge) bool {
			return e.State == status.InSync || e.State == status.Degraded || e.State == status.Paused || e.State == status.Halted
		})
	}
}

func (c *chaos) prefix() string { return []string{"/apps/", "/flags/"}[c.random.IntN(2)] }

func (c *chaos) burst() {
	c.t.Helper()
	load := workload.Load{Ops: 20 + c.random.IntN(100), Writers: 2, Seed: c.random.Uint64(), Shape: workload.Shape{Prefixes: prefixes, Keys: 120}}
	if _, err := workload.Run(c.t.Context(), c.source.Client(), load); err != nil {
		c.t.Fatal(err)
	}
}

// tooLarge puts a value that the target refuses, sometimes with others.
func (c *chaos) tooLarge() {
	puts := map[string]string{fmt.Sprintf("%sbig%d", c.prefix(), c.random.IntN(3)): strings.Repeat("x", 600<<10) + fmt.Sprint(c.random.Uint32())}
	for range c.random.IntN(3) {
		puts[fmt.Sprintf("%s%06d", c.prefix(), c.random.IntN(40))] = fmt.Sprint("with ", c.random.Uint32())
	}
	c.foreign += len(puts)
	c.txn(puts)
}

func (c *chaos) localEdits() {
	c.tr.writeTarget(
		put(fmt.Sprintf("/apps/%06d", c.random.IntN(40)), fmt.Sprint("by hand ", c.random.Uint32())),
		put(fmt.Sprintf("/edge/flags/hand%d", c.random.IntN(3)), fmt.Sprint("by hand ", c.random.Uint32())),
		put("/else/by/hand", fmt.Sprint(c.random.Uint32())),
	)
}

func (c *chaos) localDeletes() {
	c.foreign += 2
	c.tr.writeTarget(
		clientv3.OpDelete(fmt.Sprintf("/apps/%06d", c.random.IntN(40))),
		clientv3.OpDelete(fmt.Sprintf("/edge/flags/%06d", c.random.IntN(40))),
	)
}

// editsInARow write keys again before they can be put right.
func (c *chaos) editsInARow() {
	key, made := fmt.Sprintf("/apps/%06d", c.random.IntN(40)), fmt.Sprintf("/edge/flags/hand%d", c.random.IntN(3))
	for range 2 + c.random.IntN(3) {
		c.tr.writeTarget(put(key, fmt.Sprint("by hand ", c.random.Uint32())), put(made, fmt.Sprint("by hand ", c.random.Uint32())))
	}
	if c.random.IntN(2) == 0 {
		c.foreign++
		c.tr.writeTarget(clientv3.OpDelete(key))
		c.tr.writeTarget(put(key, fmt.Sprint("by hand ", c.random.Uint32())))
	}
}

// command gives the edge a random command.
func (c *chaos) command() {
	verbs := []command.Verb{
		command.Resync, command.Resync, command.Plan, command.Verify, command.Verify, command.Diff,
		command.Pause, command.Retry, command.Drop,
	}
	cmd := command.New(verbs[c.random.IntN(len(verbs))])
	switch {
	case cmd.Verb.Compares():
		cmd.Prefix = []string{"", "", "/apps/", "/edge/flags/g1", "/nothing/"}[c.random.IntN(5)]
		cmd.Full = cmd.Verb == command.Resync && c.random.IntN(2) == 0
		cmd.Deep = cmd.Verb == command.Verify && c.random.IntN(2) == 0
	case cmd.Verb != command.Pause:
		groups := c.groups()
		if len(groups) == 0 {
			return
		}
		cmd.Groups = []string{groups[c.random.IntN(len(groups))].ID}
	}
	c.ask("store-1", cmd)
}

// approve lets the deletes of groups go.
func (c *chaos) approve(groups []target.Parked) {
	c.t.Helper()
	cmd, now := command.New(command.Approve), approval{}
	for _, g := range groups {
		if g.Why != status.MassDelete {
			continue
		}
		cmd.Groups = append(cmd.Groups, g.ID)
		for _, k := range g.Keys {
			now.keys = append(now.keys, k.Key)
		}
	}
	if len(cmd.Groups) == 0 {
		return
	}
	resp, err := c.target.Client().Get(c.t.Context(), "\x00")
	if err != nil {
		c.t.Fatal(err)
	}
	now.target, now.revision = c.tr.target(), resp.Header.Revision
	c.approved = append(c.approved, now)
	c.ask("store-1", cmd)
}

func (c *chaos) withoutImporter(fn func()) {
	c.d.stopImporter()
	fn()
	c.sometimesBurst()
	c.d.stopImporter = c.startImporter()
}

func (c *chaos) withoutExporter(fn func()) {
	c.d.stopExporter()
	fn()
	c.sometimesBurst()
	c.d.stopExporter = c.startExporter()
}

func (c *chaos) sometimesBurst() {
	if c.random.IntN(2) == 0 {
		c.burst()
	}
}

func (c *chaos) lose(path string) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		c.t.Fatal(err)
	}
}

func (c *chaos) purge() {
	if err := c.stream().Purge(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

func (c *chaos) compact(cli *clientv3.Client, r *history.Recorder) {
	c.tr.catchUp(r)
	if _, err := cli.Compact(c.t.Context(), r.Last()); err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		c.t.Fatal(err)
	}
}

// setPolicy has a rule leave the policy, or come back.
func (c *chaos) setPolicy(lean bool) {
	c.t.Helper()
	c.lean = lean
	text := guardedPolicy
	if lean {
		text = leanPolicy
	}
	c.changePolicy(c.d, text)
}

// heal undoes what somebody has to undo, and waits until all is well.
func (c *chaos) heal() {
	c.t.Helper()
	if c.lean {
		c.setPolicy(false)
	}
	c.ask("store-1", command.New(command.Resume))
	mark, handled := c.reports.mark(), map[string]int{}
	c.until("the edge is in sync, with nothing parked and no task left", func() bool {
		groups := c.groups()
		for _, g := range groups {
			if handled[g.ID]++; handled[g.ID]%50 == 1 {
				c.solve(g)
			}
		}
		edges, _ := c.reports.since(mark)
		if len(edges) == 0 || len(groups) > 0 {
			return false
		}
		e := edges[len(edges)-1]
		left := slices.ContainsFunc(e.Tasks, func(t command.Task) bool { return !t.State.Ended() })
		return e.State == status.InSync && e.ParkedKeys == 0 && !left && e.VerifiedRevision >= c.sourceRevision()
	})
	c.settle()
}

// solve approves deletes, and replaces at the source what is refused.
func (c *chaos) solve(g target.Parked) {
	c.t.Helper()
	if g.Why == status.MassDelete {
		c.approve([]target.Parked{g})
		return
	}
	for _, k := range g.Keys {
		key := strings.TrimPrefix(string(k.Key), "/edge")
		c.put(key, "healed")
		if !k.Put {
			c.deleteSource(key)
		}
	}
}

// judge holds all that was recorded against the guarantees.
func (c *chaos) judge() {
	c.t.Helper()
	c.tr.catchUp(c.tr.source)
	c.tr.catchUp(c.tr.target().recorder)
	source := c.tr.source.History()
	for i, seg := range c.tr.targets {
		k := guarantee.Case{
			Source: source, Target: seg.recorder.History(), CursorKey: cursorKey.String(), Decode: c.decode,
			Selection: guarantee.Except{Selection: rules, Keys: c.tr.edited}, Local: func(revision int64) bool { return seg.local[revision] },
		}
		err := following(k)
		if seg == c.tr.target() {
			err = errors.Join(err, guarantee.Convergent(k))
		}
		k.Selection = rules
		if err := errors.Join(err, guarantee.Contained(k), c.guardHeld(k, seg)); err != nil {
			c.t.Errorf("guarantees broken in target history %d:\n%v", i, err)
		}
	}
	claims := c.all()
	for _, e := range claims {
		if e.State == status.InSync && (e.ParkedKeys > 0 || !e.Consistent) {
			c.t.Errorf("an edge said it was in sync, with %d keys parked, consistent %v", e.ParkedKeys, e.Consistent)
		}
	}
	honest(c.t, claims, func(string) history.History { return source }, rules, leanRules)
}

// decode takes a target for whole only under the policy with all rules.
func (c *chaos) decode(value string) (guarantee.Cursor, error) {
	cursor, err := decodeCursor(value)
	if err == nil && !strings.Contains(value, strconv.Quote(c.whole)) {
		cursor.Consistent = false
	}
	return cursor, err
}

// guardHeld makes sure that no step deleted more at the target than the guard
// lets pass, unless somebody approved it. A transaction of the target may hold
// several steps: the deletes that the source made at one revision are one.
func (c *chaos) guardHeld(k guarantee.Case, seg *segment) error {
	guard := filter.Guard{Percent: filter.DefaultGuardPercent, AtLeast: filter.DefaultGuardAtLeast}
	content, approved := maps.Clone(k.Target.Content), map[string]bool{}
	var cursor guarantee.Cursor
	waiting := slices.DeleteFunc(slices.Clone(c.approved), func(a approval) bool { return a.target != seg })
	for _, rev := range k.Target.Revs {
		for ; len(waiting) > 0 && waiting[0].revision < rev.Revision; waiting = waiting[1:] {
			for _, key := range waiting[0].keys {
				approved[string(key)] = true
			}
		}
		before, deleted, put := cursor, map[string][]string{}, 0
		for _, e := range rev.Events {
			switch rule := ruleOf(e.Key); {
			case e.Key == k.CursorKey:
				var err error
				if cursor, err = k.Decode(e.Value); err != nil {
					return err
				}
			case rule == "":
			case !e.Delete:
				put++
			case approved[e.Key]:
				delete(approved, e.Key)
			default:
				deleted[rule] = append(deleted[rule], e.Key)
			}
		}
		for rule, keys := range deleted {
			held := put + c.foreign
			for key := range content {
				if ruleOf(key) == rule {
					held++
				}
			}
			n := largestStep(k.Source, before, cursor, keys)
			if !k.Local(rev.Revision) && guard.Stops(uint64(n), uint64(held)) {
				return fmt.Errorf("guard: target revision %d: %d of at most %d keys of %s are deleted at once, from %v to %v", rev.Revision, n, held, rule, before, cursor)
			}
		}
		for _, e := range rev.Events {
			e.Apply(content)
		}
	}
	return nil
}

func ruleOf(key string) string {
	for _, r := range []string{"/apps/", "/edge/flags/"} {
		if strings.HasPrefix(key, r) {
			return r
		}
	}
	return ""
}

// largestStep is how many of the keys the source deleted at one revision, or at
// none that is known.
func largestStep(source history.History, from, to guarantee.Cursor, keys []string) (n int) {
	last := map[string]int64{}
	if from.Lineage == to.Lineage && from.Revision < to.Revision {
		for _, rev := range source.After(from.Revision) {
			if rev.Revision > to.Revision {
				break
			}
			for _, e := range rev.Events {
				if key, ok := rules.Map(e.Key); ok && e.Delete {
					last[key] = rev.Revision
				}
			}
		}
	}
	steps := map[int64]int{}
	for _, key := range keys {
		steps[last[key]]++
		n = max(n, steps[last[key]])
	}
	return n
}

func TestChaos(t *testing.T) {
	t.Parallel()
	seed, err := workload.Seed(t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	runChaos(t, seed, 15)
}

func runChaos(t *testing.T, seed uint64, steps int) {
	t.Helper()
	c := newChaos(t, seed)
	for i := range steps {
		c.step(i)
	}
	c.heal()
	c.judge()
}
