package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Policies are all policies that were applied to a source. They are kept as one
// value, so that policies which were applied together are there together.
type Policies struct {
	Format     int             `json:"format"`
	Generation uint64          `json:"generation"` // one more with each change; 0: nothing was ever applied
	Items      []AppliedPolicy `json:"items"`
}

// AppliedPolicy is one of them, as its author wrote it.
type AppliedPolicy struct {
	Name    string    `json:"name"`
	File    string    `json:"file"` // where it came from, for messages
	Text    string    `json:"text"` // a YAML document
	Applied time.Time `json:"applied"`
}

// PoliciesFormat is the version of the form of Policies.
const PoliciesFormat = 1

// MaxPolicies bounds the encoded policies of a source.
const MaxPolicies = 512 << 10

// ErrOvertaken tells that somebody else changed the policies meanwhile.
var ErrOvertaken = errors.New("the policies were changed by somebody else at the same time")

// Decode reads policies and refuses another form.
func (p *Policies) Decode(data []byte) error {
	if err := json.Unmarshal(data, p); err != nil {
		return fmt.Errorf("decode the applied policies: %w", err)
	}
	if p.Format != PoliciesFormat {
		return fmt.Errorf("the applied policies have format %d, this syncer reads format %d", p.Format, PoliciesFormat)
	}
	return nil
}

// Encode is p as Decode reads it.
func (p Policies) Encode() ([]byte, error) {
	p.Format = PoliciesFormat
	data, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode the applied policies: %w", err)
	}
	return data, nil
}

// PolicyStore keeps the applied policies of a source on the hub.
type PolicyStore struct {
	kv jetstream.KeyValue
}

// policiesKey is the one key of the bucket.
const policiesKey = "policies"

// PolicyBucket is the name of the bucket with the applied policies of a source.
func PolicyBucket(source string) string { return "syncer-policies-" + source }

// OpenPolicies opens the bucket of a source, or makes it.
func OpenPolicies(ctx context.Context, nc *nats.Conn, source string, replicas int) (*PolicyStore, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	name := PolicyBucket(source)
	kv, err := js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket:       name,
			Description:  "syncer: policies that were applied to source " + source,
			History:      10,
			Storage:      jetstream.FileStorage,
			Replicas:     replicas,
			MaxValueSize: MaxPolicies,
		})
	}
	if err != nil {
		return nil, explainStream("KV_"+name, err)
	}
	return &PolicyStore{kv: kv}, nil
}

// ReadPolicies gives the policies that were applied to a source, and changes
// nothing at the hub.
func ReadPolicies(ctx context.Context, nc *nats.Conn, source string) (Policies, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return Policies{}, fmt.Errorf("open JetStream: %w", err)
	}
	kv, err := js.KeyValue(ctx, PolicyBucket(source))
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return Policies{}, nil
	}
	if err != nil {
		return Policies{}, fmt.Errorf("read the applied policies: %w", err)
	}
	p, _, err := (&PolicyStore{kv: kv}).Load(ctx)
	return p, err
}

// Load gives the policies that the hub holds, and the place at which Save
// follows them. A hub that holds none gives the zero value.
func (s *PolicyStore) Load(ctx context.Context) (Policies, uint64, error) {
	entry, err := s.kv.Get(ctx, policiesKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Policies{}, 0, nil
	}
	if err != nil {
		return Policies{}, 0, fmt.Errorf("read the applied policies: %w", err)
	}
	var p Policies
	if err := p.Decode(entry.Value()); err != nil {
		return Policies{}, 0, err
	}
	return p, entry.Revision(), nil
}

// Save replaces the policies at a place that Load or Save gave. On return the
// hub holds them. It fails with ErrOvertaken when they have changed since; any
// other failure leaves open whether the hub holds them.
func (s *PolicyStore) Save(ctx context.Context, p Policies, at uint64) (uint64, error) {
	data, err := p.Encode()
	if err != nil {
		return 0, err
	}
	at, err = s.kv.Update(ctx, policiesKey, data, at)
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return 0, fmt.Errorf("%w: %w", ErrOvertaken, err)
	}
	if err != nil {
		return 0, fmt.Errorf("store the applied policies: %w", err)
	}
	return at, nil
}
