package source

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

// resource is one of those that the selection is about.
type resource struct {
	object.Resource

	storage   string // what the keys of its objects start with
	namespace string // when all ranges lie in one namespace
	ranges    []change.Range

	mu      sync.Mutex
	mapping *meta.RESTMapping // nil: unknown, or the server had none when it was last asked
}

// errAbsent: the server does not have the resource.
var errAbsent = errors.New("the API server has no such resource")

// errNothing refuses a source without ranges: watching nothing would look like a
// cluster without changes.
var errNothing = errors.New("the selection of the source has no ranges")

// divide gives each range to its resource.
func divide(etcdPrefix string, ranges []change.Range, only []string) (root string, out []*resource, err error) {
	root = object.Root(etcdPrefix)
	byWord := make(map[string]*resource)
	for _, r := range ranges {
		if r.Empty() {
			continue
		}
		found, ok := resourceOf(root, r)
		if !ok {
			return root, nil, fault.New(fault.Usage,
				"select objects by resources instead of prefixes, or read etcd: source: {etcd: {endpoints: [...]}}",
				"an API server shows objects only, and the keys %v are not those of one resource", r)
		}
		if len(only) > 0 && !slices.Contains(only, found.Word) {
			return root, nil, fault.New(fault.Usage, "add "+found.Word+" to source.kubernetes.resources, or leave it out of the policy",
				"the policy selects %s, which source.kubernetes.resources does not name", found.Word)
		}
		if byWord[found.Word] == nil {
			byWord[found.Word] = found
			out = append(out, found)
		}
		byWord[found.Word].ranges = append(byWord[found.Word].ranges, r)
	}
	if len(out) == 0 {
		return root, nil, errNothing
	}
	for _, r := range out {
		r.namespace = r.onlyNamespace()
	}
	return root, out, nil
}

// OfResources are those of the ranges that each lie in one resource, and in one
// of those that are named when any is.
func OfResources(etcdPrefix string, ranges []change.Range, only []string) []change.Range {
	return slices.DeleteFunc(slices.Clone(ranges), func(r change.Range) bool {
		res, ok := resourceOf(object.Root(etcdPrefix), r)
		return !ok || len(only) > 0 && !slices.Contains(only, res.Word)
	})
}

// resourceOf is the resource whose keys hold the range.
func resourceOf(root string, r change.Range) (*resource, bool) {
	for _, known := range object.Resources() {
		if storage := root + known.StoragePrefix + "/"; within(r, storage) {
			return &resource{Resource: known, storage: storage}, true
		}
	}
	path, ok := strings.CutPrefix(string(r.Lo), root)
	parts := strings.SplitN(path, "/", 3)
	if !ok || len(parts) < 3 {
		return nil, false
	}
	custom, ok := object.Lookup(parts[1] + "." + parts[0])
	storage := root + parts[0] + "/" + parts[1] + "/"
	return &resource{Resource: custom, storage: storage}, ok && custom.Custom && within(r, storage)
}

// within reports whether all keys of r start with prefix.
func within(r change.Range, prefix string) bool {
	whole := change.PrefixRange([]byte(prefix))
	return bytes.HasPrefix(r.Lo, whole.Lo) && len(r.Hi) > 0 && bytes.Compare(r.Hi, whole.Hi) <= 0
}

// onlyNamespace is the namespace in which all ranges lie, or "". To read only
// there needs fewer rights.
func (r *resource) onlyNamespace() string {
	namespace, _, ok := strings.Cut(strings.TrimPrefix(string(r.ranges[0].Lo), r.storage), "/")
	if !ok || !r.Namespaced && !r.Custom {
		return ""
	}
	for _, in := range r.ranges {
		if !within(in, r.storage+namespace+"/") {
			return ""
		}
	}
	return namespace
}

func (r *resource) contains(key []byte) bool {
	for _, in := range r.ranges {
		if in.Contains(key) {
			return true
		}
	}
	return false
}

// find is the resource that holds a range, which lies in one of the selection's.
func (s *Source) find(r change.Range) (*resource, error) {
	if s.wrong != nil {
		return nil, s.wrong
	}
	for _, res := range s.resources {
		if within(r, res.storage) {
			return res, nil
		}
	}
	return nil, fault.New(fault.General, "", "the range %v is not in the selection of the source", r)
}

// place is a resource as the server serves it.
type place struct {
	*resource
	at *meta.RESTMapping
}

// scope is the namespace to ask in; "" is the whole cluster.
func (p place) scope() string {
	if p.namespaced() {
		return p.namespace
	}
	return ""
}

func (p place) namespaced() bool { return p.at.Scope.Name() == meta.RESTScopeNameNamespace }

// prefix is what the keys of all that is asked for start with.
func (p place) prefix() string {
	if n := p.scope(); n != "" {
		return p.storage + n + "/"
	}
	return p.storage
}

func (p place) key(namespace, name string) []byte {
	if p.namespaced() {
		return []byte(p.storage + namespace + "/" + name)
	}
	return []byte(p.storage + name)
}

// locate finds out how the server serves a resource; the error is errAbsent when
// it surely does not. A server that has not started completely knows of no
// custom resource yet, so its word counts only when it was ready before.
func (s *Source) locate(ctx context.Context, r *resource) (place, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mapping != nil {
		return place{r, r.mapping}, nil
	}
	m, err := s.cli.Stored(ctx, r.Group, r.Plural, r.Version())
	if meta.IsNoMatchError(err) {
		if err := s.cli.Ready(ctx); err != nil {
			return place{}, err
		}
		m, err = s.cli.Stored(ctx, r.Group, r.Plural, r.Version())
	}
	if meta.IsNoMatchError(err) {
		return place{}, errAbsent
	}
	if err != nil {
		return place{}, err
	}
	r.mapping = m
	return place{r, m}, nil
}

// forget has the next look at a resource ask the server.
func (r *resource) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mapping = nil
}
