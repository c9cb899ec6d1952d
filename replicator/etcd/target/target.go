package target

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/failpoint"
)

// TierEtcd is the full tier: a source revision is one target revision.
const TierEtcd = "etcd"

const (
	defaultAttempt    = 15 * time.Second // longer than etcd's own limit of 7 s
	defaultBatchBytes = 512 << 10
	maxSend           = 256 << 20 // the server knows the limit, not the client
)

// Target writes one channel into one etcd. Its methods may run at once;
// commits that carry a cursor wait for all others, and they for it.
type Target struct {
	cli     *clientv3.Client
	kv      pb.KVClient
	key     CursorKey
	log     *slog.Logger
	below   string // objects are written past their API server, or ""
	limits  Limits
	ranges  []change.Range
	attempt time.Duration
	batch   int
	session string

	parking sync.Mutex // held by Park and Unpark

	// mu is held for reading while data is committed under the guard, and
	// for writing while the guard changes.
	mu     sync.RWMutex
	guard  guard
	owner  string
	writes uint64
	stored int // bytes of the newest cursor

	released atomic.Bool // there may be markers of released keys
	own      ownRevisions

	single *SingleKeys // of a server that takes one key per transaction, or nil
	singly
}

// guard is the cursor that our transactions insist on.
type guard struct {
	loaded  bool
	claimed bool
	modRev  int64
	pending []byte // a cursor whose write has an unknown outcome, or nil
}

// Option changes a Target from its defaults.
type Option func(*Target)

// WithRanges says where the channel's delivered keys lie. A change outside is
// refused, and no request reads or deletes across what lies between them.
func WithRanges(ranges []change.Range) Option { return func(t *Target) { t.ranges = ranges } }

// WithLimits spares the probe of the limits when another Target of the same
// etcd knows them already.
func WithLimits(l Limits) Option { return func(t *Target) { t.limits = l } }

// WithObjectsBelow says below which --etcd-prefix objects are written past their
// API server, which the cursor then tells.
func WithObjectsBelow(prefix string) Option { return func(t *Target) { t.below = prefix } }

// WithAttemptTimeout bounds the wait for the answer to one request, after
// which the outcome is found out and the request is sent again.
func WithAttemptTimeout(d time.Duration) Option { return func(t *Target) { t.attempt = d } }

// WithBatchBytes bounds the transactions that Replace makes; 0 is 512 KiB.
// etcd keeps the last 5,000 requests in memory, so big ones cost a small edge.
func WithBatchBytes(n int) Option {
	return func(t *Target) {
		if n > 0 {
			t.batch = n
		}
	}
}

// Open prepares writing the channel and probes the limits of the etcd, which
// changes nothing there. The client stays the caller's. Call Load or Claim
// before the first Commit.
func Open(ctx context.Context, cli *clientv3.Client, key CursorKey, log *slog.Logger, opts ...Option) (*Target, error) {
	t := &Target{
		cli:     cli,
		kv:      clientv3.RetryKVClient(cli),
		key:     key,
		log:     log,
		attempt: defaultAttempt,
		batch:   defaultBatchBytes,
		session: rand.Text(),
	}
	for _, o := range opts {
		o(t)
	}
	if t.single != nil {
		t.limits = Limits{MaxOps: 1, MaxBytes: t.single.Limit}
		t.marks = t.newMarks()
	}
	if t.limits == (Limits{}) {
		l, err := t.probe(ctx)
		if err != nil {
			return nil, fmt.Errorf("probe the limits of the target: %w", err)
		}
		t.limits = l
		log.DebugContext(ctx, "probed the target", "maxOps", l.MaxOps, "maxBytes", l.MaxBytes)
	}
	return t, nil
}

// Limits are what the etcd accepts in one transaction.
func (t *Target) Limits() Limits { return t.limits }

// Tier is the guarantee that this target can give; Open refuses those that
// are not supported.
func (t *Target) Tier() string {
	if t.single != nil {
		return t.single.Tier
	}
	return TierEtcd
}

// Load reads the cursor (linearizable) and makes it the guard of the next
// commits. Before Claim it takes the cursor as it is. After Claim it finds out
// how an interrupted commit ended, and gives [*Fenced] or [*Moved] when the
// cursor is no longer ours; the returned cursor is then what stands there.
func (t *Target) Load(ctx context.Context) (c Cursor, found bool, modRev int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, err := t.read(ctx)
	if err != nil {
		return Cursor{}, false, 0, err
	}
	if t.guard.claimed && now.modRev != t.guard.modRev && (t.guard.pending == nil || !now.holds(t.guard.pending)) {
		return now.rec.Cursor, now.found(), now.modRev, t.lost(now)
	}
	if !t.guard.loaded {
		if err := t.learnReleased(ctx); err != nil {
			return Cursor{}, false, 0, err
		}
	}
	t.guard.loaded, t.guard.modRev, t.guard.pending = true, now.modRev, nil
	t.stands(now.rec.Cursor)
	t.stored = len(now.raw)
	return now.rec.Cursor, now.found(), now.modRev, nil
}

// Claim writes the cursor that mutate makes of the stored one (found says
// whether there is one) with owner as its owner. Whoever wrote before is
// fenced: the last one that starts wins. mutate may be called again when
// another writer comes in between; its error ends the claim.
func (t *Target) Claim(ctx context.Context, owner string, mutate func(c Cursor, found bool) (Cursor, error)) (Cursor, int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owner = owner
	for {
		now, err := t.read(ctx)
		if err != nil {
			return Cursor{}, 0, err
		}
		t.guard = guard{loaded: true, claimed: true, modRev: now.modRev}
		t.stands(now.rec.Cursor)
		next, err := mutate(now.rec.Cursor, now.found())
		if err != nil {
			return Cursor{}, 0, fmt.Errorf("claim the cursor %s: %w", t.key, err)
		}
		next.Owner = owner
		failpoint.Hit(failpoint.ClaimBefore)
		stored, rev, err := t.commitCursor(ctx, nil, nil, next)
		failpoint.Hit(failpoint.ClaimAfter)
		if overtaken(err) {
			continue
		}
		if err == nil {
			err = errors.Join(t.learnReleased(ctx), t.clearMarks(ctx)) // whoever wrote before is fenced by now
		}
		return stored, rev, err
	}
}

// read gives the cursor key as it stands now.
func (t *Target) read(ctx context.Context) (state, error) {
	ctx, cancel := context.WithTimeout(ctx, t.attempt)
	defer cancel()
	failpoint.Hit(failpoint.CursorReadBefore)
	resp, err := t.cli.Get(ctx, t.key.String())
	failpoint.Hit(failpoint.CursorReadAfter)
	if err != nil {
		return state{}, fmt.Errorf("read the cursor: %w", t.explain(err, t.key.String()))
	}
	return t.state((*pb.RangeResponse)(resp))
}

func (t *Target) state(resp *pb.RangeResponse) (state, error) {
	at := resp.Header.GetRevision()
	t.saw(at)
	if len(resp.Kvs) == 0 {
		return state{at: at}, nil
	}
	kv := resp.Kvs[0]
	rec, err := decodeRecord(t.key, kv.Value)
	if err != nil {
		return state{}, err
	}
	return state{at: at, modRev: kv.ModRevision, raw: kv.Value, rec: rec}, nil
}

// change is txn of one that may change something.
func (t *Target) change(ctx context.Context, req *pb.TxnRequest) (*pb.TxnResponse, error) {
	failpoint.Hit(failpoint.TxnBefore)
	resp, err := t.txn(ctx, req)
	failpoint.Hit(failpoint.TxnAfter)
	return resp, err
}

// txn sends one transaction once. It bypasses clientv3's own Txn, which copies
// every value twice.
func (t *Target) txn(ctx context.Context, req *pb.TxnRequest) (*pb.TxnResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, t.attempt)
	defer cancel()
	resp, err := t.kv.Txn(ctx, req, grpc.WaitForReady(true), grpc.MaxCallSendMsgSize(maxSend))
	return resp, clientv3.ContextError(ctx, err)
}

func (t *Target) explain(err error, keys ...string) error {
	return dial.Explain(err, strings.Join(t.cli.Endpoints(), ","), keys...)
}
