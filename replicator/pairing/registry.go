package pairing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
)

// Bucket is the key-value bucket of the registry: one key per pair.
const Bucket = "PAIRS"

// DefaultTTL is how long a token may be used when the offer does not say.
const DefaultTTL = time.Hour

// Registry is the list of pairs on the hub. It needs a connection with the
// admin key. Methods may run at once, from several processes: every change is
// a compare-and-set. A change is as durable on return as the hub makes it; the
// embedded hub has synced it to disk.
type Registry struct {
	nc  *nats.Conn
	kv  jetstream.KeyValue
	now func() time.Time
}

// OpenRegistry opens the registry, creating its bucket on a hub that has none.
// A nil now is the wall clock.
func OpenRegistry(ctx context.Context, nc *nats.Conn, now func() time.Time) (*Registry, error) {
	return OpenReplicated(ctx, nc, 1, now)
}

// OpenReplicated is OpenRegistry on a hub of several servers: a bucket that it
// creates is kept on so many of them. With one, edges could not attach while
// that server is away.
func OpenReplicated(ctx context.Context, nc *nats.Conn, replicas int, now func() time.Time) (*Registry, error) {
	if now == nil {
		now = time.Now
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open the registry of pairs: %w", err)
	}
	kv, err := js.KeyValue(ctx, Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = js.CreateKeyValue(ctx, bucketConfig(replicas))
	}
	if err != nil {
		return nil, fmt.Errorf("open the registry of pairs (bucket %s): %w", Bucket, err)
	}
	return &Registry{nc: nc, kv: kv, now: now}, nil
}

func bucketConfig(replicas int) jetstream.KeyValueConfig {
	return jetstream.KeyValueConfig{
		Bucket:       Bucket,
		Description:  "syncer: pairs and who may connect",
		History:      1,
		Storage:      jetstream.FileStorage,
		Replicas:     replicas,
		MaxValueSize: 16 << 10,
		MaxBytes:     64 << 20,
	}
}

// Offer asks for a new pair.
type Offer struct {
	Name    string            // of the edge
	Source  string            // of the exporter that will serve it
	Policy  string            // what it will receive
	Labels  map[string]string // of the edge; may be nil
	TTL     time.Duration     // how long the token may be used; 0 is DefaultTTL
	Replace bool              // end a pair of this name first, with its edge's access
}

func (o Offer) validate() error {
	if o.TTL < 0 {
		return fault.New(fault.Usage, "give a time such as 1h", "a token cannot be valid for %s", o.TTL)
	}
	return errors.Join(checkName("edge", o.Name), checkName("source", o.Source), checkName("policy", o.Policy), checkLabels(o.Labels))
}

// Create records an offer and draws its token, which is given here and never
// again: the registry keeps only its public key. On return the token can be
// used. A name that is offered or paired is refused unless Replace is set.
func (r *Registry) Create(ctx context.Context, o Offer) (Token, Record, error) {
	if err := o.validate(); err != nil {
		return Token{}, Record{}, err
	}
	revision, err := r.vacant(ctx, o)
	if err != nil {
		return Token{}, Record{}, err
	}
	token := newToken()
	rec, err := r.offer(o, token)
	if err != nil {
		return Token{}, Record{}, err
	}
	if err := r.write(ctx, rec, revision); err != nil {
		return Token{}, Record{}, fmt.Errorf("create pair %s: %w", o.Name, err)
	}
	return token, rec, nil
}

// vacant gives the revision at which the offer's name may be taken.
func (r *Registry) vacant(ctx context.Context, o Offer) (uint64, error) {
	old, revision, err := r.read(ctx, o.Name)
	if err != nil && !errors.Is(err, ErrNoPair) && !(o.Replace && errors.Is(err, errUnreadable)) {
		return 0, err
	}
	if err == nil && !o.Replace && old.State != Removed {
		return 0, existsError(old, r.now())
	}
	return revision, nil
}

// Enroll records a pair whose edge has a key already. It is for a hub that
// syncer does not run: there nobody answers the bearer of a token, and the
// hub's operator lets the key in, with the rights that EdgePermissions lists.
// The offer's TTL is not used. On return the exporter serves the edge.
func (r *Registry) Enroll(ctx context.Context, o Offer, edgeKey string) (Record, error) {
	if err := o.validate(); err != nil {
		return Record{}, err
	}
	revision, err := r.vacant(ctx, o)
	if err != nil {
		return Record{}, err
	}
	rec, err := r.offer(o, newToken()) // which nobody learns
	if err != nil {
		return Record{}, err
	}
	rec.State, rec.Used, rec.EdgeKey = Paired, rec.Created, edgeKey
	if err := r.write(ctx, rec, revision); err != nil {
		return Record{}, fmt.Errorf("enroll pair %s: %w", o.Name, err)
	}
	return rec, nil
}

func (r *Registry) offer(o Offer, token Token) (Record, error) {
	key, err := token.publicKey()
	if err != nil {
		return Record{}, err
	}
	now := r.now().UTC()
	ttl := o.TTL
	if ttl == 0 {
		ttl = DefaultTTL
	}
	return Record{
		Version: recordVersion, Name: o.Name, Source: o.Source, Policy: o.Policy, Labels: o.Labels, State: Offered,
		TokenID: token.ID(), TokenKey: key, Created: now, Expires: now.Add(ttl),
	}, nil
}

func existsError(old Record, now time.Time) error {
	state := "is " + string(old.State)
	if old.Expired(now) {
		state = "was offered and its token expired unused"
	}
	return fault.New(fault.General,
		"syncer pair create "+old.Name+" --replace (ends the old pair at once), or: syncer pair remove "+old.Name,
		"pair %s exists: it %s since %s", old.Name, state, old.Created.Format(time.RFC3339))
}

// ErrNoPair means that the registry holds no pair of that name.
var ErrNoPair = errors.New("no such pair")

// ErrConflict means that somebody else changed the pair first; read it again.
var ErrConflict = errors.New("the pair was changed by somebody else at the same time")

var errUnreadable = errors.New("unreadable record")

// Get gives one pair, removed ones included. The error is ErrNoPair when there
// is none.
func (r *Registry) Get(ctx context.Context, name string) (Record, error) {
	rec, _, err := r.read(ctx, name)
	return rec, err
}

func (r *Registry) read(ctx context.Context, name string) (Record, uint64, error) {
	if err := checkName("edge", name); err != nil {
		return Record{}, 0, err
	}
	entry, err := r.kv.Get(ctx, name)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Record{}, 0, fault.New(fault.General, "syncer pair list", "pair %s: %w", name, ErrNoPair)
	}
	if err != nil {
		return Record{}, 0, fmt.Errorf("read pair %s: %w", name, err)
	}
	rec, err := decodeRecord(entry.Value())
	if err == nil && rec.Name != name {
		err = fmt.Errorf("the record is of %q", rec.Name)
	}
	if err != nil {
		return Record{}, entry.Revision(), fmt.Errorf("read pair %s: %w: %w", name, errUnreadable, err)
	}
	return rec, entry.Revision(), nil
}

// List gives every pair by name, removed ones included.
func (r *Registry) List(ctx context.Context) ([]Record, error) {
	var recs []Record
	var errs []error
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err := r.Follow(ctx, func(e Entry) {
		if e.Err != nil {
			errs = append(errs, e.Err)
			return
		}
		recs = append(recs, e.Record)
	}, stop)
	if err != nil && !errors.Is(err, context.Canceled) {
		return nil, err
	}
	slices.SortFunc(recs, func(a, b Record) int { return strings.Compare(a.Name, b.Name) })
	return recs, errors.Join(errs...)
}

// Remove ends a pair: on return its edge is disconnected and neither the edge
// nor the token is let in again. What the edge holds is not touched. Removing
// a removed pair does nothing.
func (r *Registry) Remove(ctx context.Context, name string) (Record, error) {
	for {
		rec, revision, err := r.read(ctx, name)
		if err != nil {
			return Record{}, err
		}
		if rec.State == Removed {
			return rec, r.applied(ctx, revision)
		}
		rec.State, rec.RemovedAt = Removed, r.now().UTC()
		err = r.write(ctx, rec, revision)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return Record{}, fmt.Errorf("remove pair %s: %w", name, err)
		}
		return rec, nil
	}
}

// write sets the record if the pair still stands at revision, 0 for none, and
// waits until the hub lets in and keeps out accordingly.
func (r *Registry) write(ctx context.Context, rec Record, revision uint64) error {
	revision, err := r.set(ctx, rec, revision)
	if err != nil {
		return err
	}
	return r.applied(ctx, revision)
}

func (r *Registry) set(ctx context.Context, rec Record, revision uint64) (uint64, error) {
	value, err := encodeRecord(rec)
	if err != nil {
		return 0, err
	}
	failpoint.Hit(failpoint.RecordBefore)
	revision, err = r.kv.Update(ctx, rec.Name, value, revision)
	failpoint.Hit(failpoint.RecordAfter)
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return 0, fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return revision, err
}

// applied waits until the hub's decisions follow the revision. A hub that is
// not ours has nobody to ask; who may connect is then its operator's matter.
func (r *Registry) applied(ctx context.Context, revision uint64) error {
	_, err := r.nc.RequestWithContext(ctx, AppliedSubject, []byte(strconv.FormatUint(revision, 10)))
	if err == nil || errors.Is(err, nats.ErrNoResponders) {
		return nil
	}
	return fmt.Errorf("the change is recorded, but the hub did not confirm that it follows it: %w", err)
}

// Entry is one pair as it is now. Err is set instead of Record when the record
// cannot be read; the pair must then be treated as removed.
type Entry struct {
	Name     string
	Revision uint64
	Record   Record
	Err      error
}

// Follow calls each for every pair, then loaded once, then each for every
// change, in order and never at once. It returns when ctx ends or the watch
// breaks, never nil.
func (r *Registry) Follow(ctx context.Context, each func(Entry), loaded func()) error {
	watch, err := r.kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watch the registry of pairs: %w", err)
	}
	defer func() { _ = watch.Stop() }() // fails only when already stopped
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, open := <-watch.Updates():
			switch {
			case !open && ctx.Err() != nil:
				return ctx.Err() // which also ends the watch
			case !open:
				return errors.New("watch the registry of pairs: the watch ended")
			case e == nil:
				loaded()
			default:
				each(entryOf(e))
			}
		}
	}
}

func entryOf(e jetstream.KeyValueEntry) Entry {
	out := Entry{Name: e.Key(), Revision: e.Revision()}
	if e.Operation() != jetstream.KeyValuePut {
		out.Err = fmt.Errorf("pair %s: its record was deleted", e.Key())
		return out
	}
	out.Record, out.Err = decodeRecord(e.Value())
	if out.Err == nil && out.Record.Name != e.Key() {
		out.Err = fmt.Errorf("pair %s: the record is of %q", e.Key(), out.Record.Name)
	}
	return out
}
