package main_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// armedBinary is syncer with its failpoints, built once for all tests.
var armedBinary = sync.OnceValues(func() (string, error) { return build("syncer-with-failpoints", "-tags", "failpoint") })

// scene brings a process, which starts with a plan, to its failpoint. It gives
// the process, and ends the load that it has started.
type scene func(r *rig, victim *daemon, plan string) (p *testbed.Process, stop func())

// trap is the situation in which a process comes to a failpoint.
type trap struct {
	scene scene
	most  int // hits that the scene surely brings
	// spools says that the log is the exporter's spool, not the importer's inbox.
	spools bool
	then   func(r *rig) // what follows both deaths
}

// traps say how a daemon is brought to each of its failpoints.
var traps = map[failpoint.Name]trap{
	failpoint.InstanceBefore:          {scene: firstCopy, most: 1},
	failpoint.InstanceAfter:           {scene: firstCopy, most: 1},
	failpoint.TailReadBefore:          {scene: underWay, most: 1},
	failpoint.TailReadAfter:           {scene: underWay, most: 1},
	failpoint.WatchTaken:              {scene: underWay, most: 9},
	failpoint.WatchIndexed:            {scene: underWay, most: 9},
	failpoint.IndexCommitBefore:       {scene: underWay, most: 3},
	failpoint.IndexCommitAfter:        {scene: underWay, most: 3},
	failpoint.ResetPublishBefore:      {scene: startedOver, most: 1},
	failpoint.ResetPublishAfter:       {scene: startedOver, most: 1},
	failpoint.DifferencePublishBefore: {scene: compacted, most: 1},
	failpoint.DifferencePublishAfter:  {scene: compacted, most: 1},
	failpoint.HeartbeatBefore:         {scene: underWay, most: 3},
	failpoint.HeartbeatAfter:          {scene: underWay, most: 3},
	failpoint.PartSent:                {scene: large, most: 3},
	failpoint.ConsumerSetBefore:       {scene: firstCopy, most: 1},
	failpoint.ConsumerSetAfter:        {scene: firstCopy, most: 1},
	failpoint.PagePublishBefore:       {scene: firstCopy, most: 1},
	failpoint.PagePublishAfter:        {scene: firstCopy, most: 1},
	failpoint.ChunkReadBefore:         {scene: firstCopy, most: 2},
	failpoint.ChunkReadAfter:          {scene: firstCopy, most: 2},
	failpoint.ChunkPublishBefore:      {scene: firstCopy, most: 2},
	failpoint.ChunkPublishAfter:       {scene: firstCopy, most: 2},
	failpoint.PolicyStoreBefore:       {scene: applying, most: 1},
	failpoint.PolicyStoreAfter:        {scene: applying, most: 1},
	failpoint.PolicyCopyBefore:        {scene: applying, most: 1},
	failpoint.PolicyCopyAfter:         {scene: applying, most: 1},
	failpoint.LinesBefore:             {scene: firstCopy, most: 1},
	failpoint.LinesAfter:              {scene: firstCopy, most: 1},
	failpoint.PublishBefore:           {scene: underWay, most: 9},
	failpoint.PublishAfter:            {scene: underWay, most: 9},
	failpoint.AckBefore:               {scene: underWay, most: 9},
	failpoint.AckAfter:                {scene: underWay, most: 9},

	failpoint.AttachBefore:       {scene: underWay, most: 1},
	failpoint.AttachAfter:        {scene: underWay, most: 1},
	failpoint.ProfileBefore:      {scene: firstCopy, most: 1},
	failpoint.ProfileAfter:       {scene: firstCopy, most: 1},
	failpoint.AppendBefore:       {scene: underWay, most: 9},
	failpoint.AppendAfter:        {scene: underWay, most: 9},
	failpoint.Acknowledged:       {scene: underWay, most: 9},
	failpoint.CommitBefore:       {scene: underWay, most: 9},
	failpoint.CommitAfter:        {scene: underWay, most: 9},
	failpoint.MendBefore:         {scene: edited, most: 2},
	failpoint.MendAfter:          {scene: edited, most: 2},
	failpoint.TornBetween:        {scene: large, most: 1},
	failpoint.TruncateBefore:     {scene: underWay, most: 9},
	failpoint.TruncateAfter:      {scene: underWay, most: 9},
	failpoint.ResetBefore:        {scene: startedOver, most: 1},
	failpoint.ResetAfter:         {scene: startedOver, most: 1},
	failpoint.RestartBefore:      {scene: firstCopy, most: 1},
	failpoint.RestartBetween:     {scene: firstCopy, most: 1},
	failpoint.RestartAfter:       {scene: firstCopy, most: 1},
	failpoint.RequestBefore:      {scene: firstCopy, most: 2},
	failpoint.RequestAfter:       {scene: firstCopy, most: 2},
	failpoint.PageCompareBefore:  {scene: firstCopy, most: 1},
	failpoint.PageCompareAfter:   {scene: firstCopy, most: 1},
	failpoint.ChunkReplaceBefore: {scene: firstCopy, most: 2},
	failpoint.ChunkReplaceAfter:  {scene: firstCopy, most: 2},
	failpoint.ConsistentBefore:   {scene: firstCopy, most: 1},
	failpoint.ConsistentAfter:    {scene: firstCopy, most: 1},
	failpoint.OrdersBefore:       {scene: commanded, most: 6},
	failpoint.OrdersAfter:        {scene: commanded, most: 6},
	failpoint.ParkBefore:         {scene: parking, most: 1, then: (*rig).release},
	failpoint.ParkAfter:          {scene: parking, most: 1, then: (*rig).release},
	failpoint.UnparkBefore:       {scene: releasing, most: 1},
	failpoint.UnparkAfter:        {scene: releasing, most: 1},
	failpoint.LedgerCreateBefore: {scene: firstCopy, most: 1},
	failpoint.LedgerOpened:       {scene: firstCopy, most: 1},
	failpoint.LedgerAsideBefore:  {scene: unreadable("conflicts.db"), most: 1},
	failpoint.LedgerAsideAfter:   {scene: unreadable("conflicts.db"), most: 1},
	failpoint.LedgerWriteBefore:  {scene: held, most: 2},
	failpoint.LedgerWriteAfter:   {scene: held, most: 2},
	failpoint.ClaimBefore:        {scene: underWay, most: 1},
	failpoint.ClaimAfter:         {scene: underWay, most: 1},
	failpoint.CursorReadBefore:   {scene: underWay, most: 1},
	failpoint.CursorReadAfter:    {scene: underWay, most: 1},
	failpoint.TxnBefore:          {scene: underWay, most: 9},
	failpoint.TxnAfter:           {scene: underWay, most: 9},
	failpoint.ChunkPart:          {scene: firstCopy, most: 2},
	failpoint.WalCommitBefore:    {scene: underWay, most: 9},
	failpoint.WalCommitAfter:     {scene: underWay, most: 9},
	failpoint.WalRenameBefore:    {scene: firstCopy, most: 1},
	failpoint.WalRenameAfter:     {scene: firstCopy, most: 1},
	failpoint.WalNameSynced:      {scene: firstCopy, most: 1},
	failpoint.WalAsideBefore:     {scene: unreadable("inbox.db"), most: 1},
	failpoint.WalAsideAfter:      {scene: unreadable("inbox.db"), most: 1},
}

// again are failpoints to which another daemon, or another situation, comes as
// well.
var again = map[failpoint.Name]trap{
	failpoint.WalCommitBefore:   {scene: hubAway, most: 9, spools: true},
	failpoint.WalCommitAfter:    {scene: hubAway, most: 9, spools: true},
	failpoint.WalRenameBefore:   {scene: hubAway, most: 1, spools: true},
	failpoint.WalRenameAfter:    {scene: hubAway, most: 1, spools: true},
	failpoint.WalNameSynced:     {scene: hubAway, most: 1, spools: true},
	failpoint.LedgerWriteBefore: {scene: edited, most: 1},
	failpoint.LedgerWriteAfter:  {scene: edited, most: 1},
}

// recorded are the failpoints of whoever records a pair: a command, or the hub.
var recorded = []failpoint.Name{failpoint.RecordBefore, failpoint.RecordAfter}

// death is one way to die.
type death struct {
	name failpoint.Name
	of   string // tells it from others at the same failpoint
	dies func(t *testing.T)
}

// deaths are those at a failpoint.
func deaths(name failpoint.Name) []death {
	if most, ok := inCluster[name]; ok {
		return []death{{name, "", func(t *testing.T) { diesInCluster(t, name, most) }}}
	}
	if slices.Contains(recorded, name) {
		return []death{
			{name, "", func(t *testing.T) { diesJoining(t, func(r *rig, join []string) { r.pairsAgain(name); r.joins(join) }) }},
			{name, "/hub", func(t *testing.T) { diesJoining(t, func(r *rig, join []string) { r.joinsThroughHub(join, name) }) }},
		}
	}
	if joins(name) {
		return []death{{name, "", func(t *testing.T) { diesJoining(t, func(r *rig, join []string) { r.joinsAgain(join, name) }) }}}
	}
	out := []death{{name, "", func(t *testing.T) { diesAt(t, name, traps[name]) }}}
	if other, ok := again[name]; ok {
		out = append(out, death{name, "/again", func(t *testing.T) { diesAt(t, name, other) }})
	}
	return out
}

func TestEveryFailpointHasATrap(t *testing.T) {
	for _, name := range failpoint.All {
		_, cluster := inCluster[name]
		if (traps[name].scene == nil) != (joins(name) || cluster) {
			t.Errorf("%s: %d hits of a daemon, hit by join: %v, in a cluster: %v", name, traps[name].most, joins(name), cluster)
		}
	}
}

// What people run does not obey the variable.
func TestOnlyTheTagBringsFailpoints(t *testing.T) {
	for want, built := range map[bool]func() (string, error){false: builtBinary, true: armedBinary} {
		path, err := built()
		if err != nil {
			t.Fatal(err)
		}
		code, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(code, []byte(failpoint.Variable)); got != want {
			t.Errorf("%s knows %s: %v, want %v", path, failpoint.Variable, got, want)
		}
	}
}

// TestFailpoints dies at a few failpoints; `make fault` dies at all of them.
func TestFailpoints(t *testing.T) {
	seed, err := workload.Seed(t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(workload.SeedVariable, strconv.FormatUint(seed, 10)) // that of the rigs, too
	for _, i := range rand.New(rand.NewPCG(seed, 2)).Perm(len(failpoint.All))[:3] {
		all := deaths(failpoint.All[i])
		d := all[int(seed%uint64(len(all)))]
		t.Run(string(d.name)+d.of, d.dies)
	}
}

// diesAt kills a process at a failpoint, kills the one that comes after it while
// it recovers, and holds everything that was recorded against the guarantees.
func diesAt(t *testing.T, name failpoint.Name, at trap) {
	t.Helper()
	etcd := testbed.EtcdConfig{Fast: true}
	p := parts{binary: armedBinary, source: etcd, target: etcd, join: (*rig).joins}
	p.source.MaxRequestBytes = 8 << 20 // for what does not fit the target
	r := newRigOf(t, p)
	stop := r.diesIn(at, name)
	r.hub.start() // which a scene may have taken away
	if at.then != nil {
		at.then(r)
	}
	r.truth.moves()
	stop()
	r.settle()
	r.claims.nothingSkipped()
}

// diesJoining kills somebody while an edge joins, and goes on with that edge.
func diesJoining(t *testing.T, join func(r *rig, command []string)) {
	t.Helper()
	etcd := testbed.EtcdConfig{Fast: true}
	r := newRigOf(t, parts{binary: armedBinary, source: etcd, target: etcd, join: join})
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	stop()
	r.settle()
	r.claims.nothingSkipped()
}

// diesIn kills a daemon twice: at its failpoint, and soon after that.
func (r *rig) diesIn(trap trap, name failpoint.Name) (stop func()) {
	r.t.Helper()
	victim := r.victim(name)
	if trap.spools {
		victim = r.exporter
	}
	p, stop := trap.scene(r, victim, fmt.Sprintf("%s:%d", name, 1+r.random.IntN(trap.most)))
	r.dies(p, name)
	victim.halt()
	r.dies(victim.startAt(r.t, fmt.Sprintf("any:%d", 1+r.random.IntN(30))), "")
	return stop
}

// hitBy is the package that hits a failpoint.
func hitBy(name failpoint.Name) string {
	first, _, _ := strings.Cut(string(name), ".")
	return first
}

// joins says whether syncer join comes to a failpoint, and no daemon.
func joins(name failpoint.Name) bool { return hitBy(name) == "pairing" || hitBy(name) == "syncer" }

// victim is the daemon that comes to a failpoint.
func (r *rig) victim(name failpoint.Name) *daemon {
	switch hitBy(name) {
	case "replicator", "exporter", "jetstream":
		return r.exporter
	default:
		return r.importer
	}
}

// dies waits until a process has killed itself at a failpoint; "" is any.
func (r *rig) dies(p *testbed.Process, name failpoint.Name) {
	r.t.Helper()
	code, err := p.Wait(within(r.t))
	if err != nil {
		r.t.Fatalf("it never came to %s: %v\n%s", name, err, lastLines(p.Output(), 12))
	}
	if said := "failpoint " + string(name); code != -1 || !strings.Contains(p.Output(), said) {
		r.t.Fatalf("it ended with exit code %d, not at %s:\n%s", code, name, lastLines(p.Output(), 12))
	}
	r.t.Log(lastLines(p.Output(), 1))
}

// firstCopy begins with an edge that holds nothing.
func firstCopy(r *rig, victim *daemon, plan string) (*testbed.Process, func()) {
	r.fill(2000, 1<<10)
	stop := r.load(usual)
	p := victim.startAt(r.t, plan)
	r.exporter.start()
	r.importer.start()
	r.claims = r.listen()
	return p, stop
}

// underWay starts the victim again where it was.
func underWay(r *rig, victim *daemon, plan string) (*testbed.Process, func()) {
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	victim.halt()
	return victim.startAt(r.t, plan), stop
}

// compacted lets the history that the exporter has not read go away. Its index
// stands at the stream's tail, so that it compares with that.
func compacted(r *rig, victim *daemon, plan string) (*testbed.Process, func()) {
	r.start()
	r.burst(workload.Load{Ops: 300})
	r.prove()
	r.hold(2 * time.Second) // the index is made durable while nothing happens, or when the exporter stops
	r.exporter.stop(r.t)
	r.burst(workload.Load{Ops: 300})
	r.truth.catchUp(r.truth.source)
	if _, err := r.source.Client().Compact(within(r.t), r.truth.source.recorder.Last()); err != nil {
		r.t.Fatal(err)
	}
	p := victim.startAt(r.t, plan)
	return p, r.load(usual)
}

// startedOver has the exporter forget what the channel holds, after changes
// that it has not published.
func startedOver(r *rig, victim *daemon, plan string) (*testbed.Process, func()) {
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	r.importer.halt()
	r.exporter.halt()
	r.burst(workload.Load{Ops: 50})
	if err := os.Remove(r.path("exporter", "index-flags.db")); err != nil {
		r.t.Fatal(err)
	}
	p := victim.startAt(r.t, plan)
	r.exporter.start()
	r.importer.start()
	return p, stop
}

// large has a revision on its way that needs several messages, and does not fit
// a transaction of the target. Compressed it is small enough that an edge which
// missed it is sent it, and does not compare instead.
func large(r *rig, victim *daemon, plan string) (*testbed.Process, func()) {
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	victim.halt()
	var ops []clientv3.Op
	for i := range 32 {
		ops = append(ops, clientv3.OpPut(fmt.Sprintf("/apps/large/%02d", i), r.digits(58<<10)))
	}
	if _, err := r.source.Client().Txn(within(r.t)).Then(ops...).Commit(); err != nil {
		r.t.Fatal(err)
	}
	return victim.startAt(r.t, plan), stop
}

// edited has somebody at the edge write to the selection, again and again.
func edited(r *rig, victim *daemon, plan string) (*testbed.Process, func()) {
	r.start()
	r.burst(workload.Load{Ops: 50})
	r.prove() // from here on the edge knows what it holds
	stop := r.load(usual)
	r.truth.moves()
	victim.halt()
	r.truth.write(clientv3.OpPut("/apps/made-here", "by hand"))
	r.truth.write(clientv3.OpPut("/apps/made-here-too", "by hand"))
	return victim.startAt(r.t, plan), func() {
		stop()
		r.mended("/apps/made-here", "")
		r.mended("/apps/made-here-too", "")
	}
}

// write writes at the target as somebody on site does.
func (tr *truth) write(op clientv3.Op) {
	tr.r.t.Helper()
	resp, err := tr.r.target.Client().Do(within(tr.r.t), op)
	if err != nil {
		tr.r.t.Fatal(err)
	}
	if tr.edited == nil {
		tr.edited, tr.local = map[string]bool{}, map[int64]bool{}
	}
	tr.edited[string(op.KeyBytes())], tr.local[resp.Put().Header.Revision] = true, true
}

// digits is text that can be compressed to less than half.
func (r *rig) digits(size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte('0' + r.random.IntN(10))
	}
	return string(b)
}

// noise is text that cannot be compressed.
func (r *rig) noise(size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.random.Uint32())
	}
	return string(b)
}

// applying has somebody apply a policy, again and again until it is in force.
func applying(r *rig, victim *daemon, plan string) (*testbed.Process, func()) {
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	victim.halt()
	p := victim.startAt(r.t, plan)
	r.write("more.yaml", "apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: more}\nspec: {rules: [{prefix: /more/}]}\n")
	applied := make(chan error, 1)
	go func() { applied <- r.applies(r.path("more.yaml")) }()
	return p, func() {
		stop()
		if err := <-applied; err != nil {
			r.t.Fatal(err)
		}
		if out := r.must("policy", "list", "-o", "name", "-c", r.path("cloud.yaml")); string(out) != "flags\nmore\n" {
			r.t.Errorf("the policies are %q", out)
		}
	}
}

// applies has a policy in force, however often the exporter dies over it.
func (r *rig) applies(file string) error {
	deadline := time.Now().Add(2 * patience)
	for {
		res, err := r.command(r.t.Context(), "policy", "apply", "-f", file, "-c", r.path("cloud.yaml"))
		if err == nil && res.code == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("apply %s: exit code %d, %v\n%s", file, res.code, err, res.stderr)
		}
	}
}

// joinsAgain kills the command with which the edge joins; the same command then
// goes on where it stopped.
func (r *rig) joinsAgain(command []string, name failpoint.Name) {
	r.t.Helper()
	r.diesRunning(command, name)
	r.joins(command)
}

// diesRunning runs a command that kills itself.
func (r *rig) diesRunning(command []string, name failpoint.Name) {
	r.t.Helper()
	p, err := testbed.StartProcess(testbed.ProcessConfig{
		Path: r.binary, Args: command, Env: []string{failpoint.Variable + "=" + string(name)},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.dies(p, name)
}

// pairsAgain kills the command that makes another pair; the pair is then made
// anew, whether the hub holds it already or not.
func (r *rig) pairsAgain(name failpoint.Name) {
	r.t.Helper()
	create := []string{"pair", "create", "store-2", "--policy", "flags", "-c", r.path("cloud.yaml")}
	r.diesRunning(create, name)
	if len(r.must("pair", "list", "-c", r.path("cloud.yaml"))) == 0 {
		r.t.Error("nothing is known of any pair")
	}
	r.must(append(create, "--replace")...)
}

// joinsThroughHub kills the hub while the edge joins. The same command then
// goes on where it stopped.
func (r *rig) joinsThroughHub(command []string, name failpoint.Name) {
	r.t.Helper()
	r.hub.halt()
	mark := r.hub.journal.mark()
	p := r.hub.startAt(r.t, string(name))
	r.hub.says(r.t, mark, "The hub listens on")
	res, err := r.command(r.t.Context(), command...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.dies(p, name)
	if res.code != 0 {
		r.joins(command)
	}
}
