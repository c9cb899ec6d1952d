package target

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/kube/client"
)

// TierKubernetes is the tier of objects that are written one by one: repeating a
// write changes nothing, and a revision of the source is not one of the target.
const TierKubernetes = "kubernetes"

// Manager is the field manager of everything that is applied. It never changes:
// what it owns is what was replicated.
const Manager = "syncer"

// Cluster is a cluster with the inventory of what was written to it. Its
// channels share both.
type Cluster struct {
	client    *client.Client
	inventory *Inventory
	log       *slog.Logger
	pace      *pace
	inFlight  *inFlight
	identity  string // UID of the cluster, "" when we may not read it
}

// New opens the inventory of a cluster in a directory, which belongs to one
// importer. The client stays the caller's.
func New(ctx context.Context, c *client.Client, dir string, log *slog.Logger) (*Cluster, error) {
	identity, err := identify(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("identify the cluster: %w", err)
	}
	inv, err := openInventory(filepath.Join(dir, "inventory.db"), log)
	if err != nil {
		return nil, err
	}
	return &Cluster{client: c, inventory: inv, log: log, pace: newPace(c.Busy), inFlight: newInFlight(), identity: identity}, nil
}

// Close closes the inventory.
func (c *Cluster) Close() error { return c.inventory.close() }

var namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}

// identify is the UID of the namespace kube-system, which lives as long as its
// cluster.
func identify(ctx context.Context, c *client.Client) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	ns, err := c.Objects.Resource(namespaces).Get(ctx, "kube-system", metav1.GetOptions{})
	if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", c.Explain(err)
	}
	return string(ns.GetUID()), nil
}

// Target writes one channel into one cluster. Its methods may run at once;
// commits that carry a cursor wait for all others, and they for it.
type Target struct {
	*Cluster
	key     target.CursorKey
	ranges  []change.Range
	maps    ownMaps
	session string

	parking sync.Mutex // held by Park and Unpark

	// mu is held for reading while objects are written under the guard, and for
	// writing while the guard changes.
	mu     sync.RWMutex
	guard  guard
	owner  string
	writes uint64
	doubt  bool // the inventory may say of objects what is not so

	watching watching
}

// guard is the cursor that our writes insist on.
type guard struct {
	loaded  bool
	claimed bool
	modRev  int64
	version string // as the server writes modRev
	pending []byte // a cursor whose write has an unknown outcome, or nil
}

// Open prepares writing the channel, whose delivered keys lie in ranges; none
// stands for everything, of a target that is only asked. Call Load or Claim
// before the first Commit.
func (c *Cluster) Open(_ context.Context, key target.CursorKey, ranges []change.Range) (*Target, error) {
	t := &Target{Cluster: c, key: key, ranges: slices.Clone(ranges), session: rand.Text()}
	slices.SortFunc(t.ranges, func(a, b change.Range) int { return strings.Compare(string(a.Lo), string(b.Lo)) })
	t.maps = ownMaps{client: c.client, key: key}
	t.watching.kick, t.watching.wrote = make(chan struct{}, 1), make(chan struct{}, 1)
	return t, nil
}

// Limits are no limits: the server knows those of each object.
func (t *Target) Limits() target.Limits {
	return target.Limits{MaxOps: mostTogether, MaxBytes: mostBytes}
}

const (
	mostTogether = 1 << 20
	mostBytes    = 1 << 30
)

// Tier is the guarantee that this target can give.
func (t *Target) Tier() string { return TierKubernetes }

// Guardable is how many changes a commit can have that guards its keys: each
// object is guarded by itself.
func (t *Target) Guardable() int { return mostTogether }

// Together is how many bytes of changes a commit has at best while a channel is
// followed. Each object is a request of its own, and a commit costs three more:
// a small one has its workers wait for each other.
func (t *Target) Together() int { return 512 << 10 }

// Probe looks anew at what resources the server has.
func (t *Target) Probe(context.Context) error {
	t.client.Forget()
	return nil
}

// Split gives all in one: there is nothing that has to fit.
func (t *Target) Split(changes []change.Change) [][]change.Change {
	if len(changes) == 0 {
		return nil
	}
	return [][]change.Change{changes}
}

// Refused finds no refusals: only the server knows them, and Commit says them.
func (t *Target) Refused(context.Context, []change.Change) ([]target.Refused, error) { return nil, nil }

// Load reads the cursor and makes it the guard of the next commits. Before Claim
// it takes the cursor as it is. After Claim it finds out how an interrupted
// write ended, and gives [*target.Fenced] or [*target.Moved] when the cursor is
// no longer ours; the returned cursor is then what stands there.
func (t *Target) Load(ctx context.Context) (c target.Cursor, found bool, modRev int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, err := t.readCursor(ctx)
	if err != nil {
		return target.Cursor{}, false, 0, err
	}
	if t.guard.claimed && now.modRev != t.guard.modRev && (t.guard.pending == nil || !now.holds(t.guard.pending)) {
		return now.cursor, now.found(), now.modRev, t.lost(now)
	}
	t.guard.loaded, t.guard.modRev, t.guard.version, t.guard.pending = true, now.modRev, now.version, nil
	return now.cursor, now.found(), now.modRev, nil
}

// Claim writes the cursor that mutate makes of the stored one (found says
// whether there is one) with owner as its owner, and makes the inventory fit the
// cluster and the channel. Whoever wrote before is fenced: the last one that
// starts wins. mutate may be called again when another writer comes in between;
// its error ends the claim.
func (t *Target) Claim(ctx context.Context, owner string, mutate func(c target.Cursor, found bool) (target.Cursor, error)) (target.Cursor, int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owner = owner
	for {
		now, err := t.readCursor(ctx)
		if err != nil {
			return target.Cursor{}, 0, err
		}
		t.guard = guard{loaded: true, claimed: true, modRev: now.modRev, version: now.version}
		next, err := mutate(now.cursor, now.found())
		if err != nil {
			return target.Cursor{}, 0, fmt.Errorf("claim the cursor %s: %w", t.key, err)
		}
		known := t.inventory.knowsCursor(now.raw)
		next.Owner = owner
		stored, rev, err := t.writeCursor(ctx, next)
		if overtaken(err) {
			continue
		}
		if err == nil {
			err = t.fit(ctx, known)
		}
		return stored, rev, err
	}
}

// fit makes the inventory one of this cluster and channel, and learns which keys
// are released; nobody else writes any of that after a claim. known says that the
// cursor is the one that the inventory knows: otherwise the cluster may have been
// restored since.
func (t *Target) fit(ctx context.Context, known bool) error {
	of := about{Format: inventoryFormat, Cluster: t.identity, Source: t.key.Source, Channel: t.key.Channel}
	built, err := t.inventory.fit(of)
	if err != nil {
		return err
	}
	t.doubt = built && !known
	if !built {
		if err := t.rebuild(ctx, of); err != nil {
			return err
		}
	}
	return t.learnReleased(ctx)
}

// overtaken reports whether err says that the cursor changed under us.
func overtaken(err error) bool {
	var f *target.Fenced
	var m *target.Moved
	return errors.As(err, &f) || errors.As(err, &m)
}

func (t *Target) contains(key []byte) bool {
	return len(t.ranges) == 0 || slices.ContainsFunc(t.ranges, func(r change.Range) bool { return r.Contains(key) })
}

// selected is the part of r that lies in the selection.
func (t *Target) selected(r change.Range) []change.Range {
	if len(t.ranges) == 0 {
		return []change.Range{r}
	}
	var out []change.Range
	for _, s := range t.ranges {
		if i := s.Intersect(r); !i.Empty() {
			out = append(out, i)
		}
	}
	return out
}
