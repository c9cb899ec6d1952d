package source

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/change"
	etcd "github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/kube/client"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

const manifests = "../../../testdata/kubernetes/cluster.yaml"

// populated is a control plane with something of everything.
func populated(t *testing.T, o kube.Options) *kube.Plane {
	t.Helper()
	p := kube.New(t, o)
	objects, err := kube.ReadManifests(manifests)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Populate(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
	return p
}

// small is a control plane without controllers, with the shop and the
// definitions of its resources.
func small(t *testing.T, o kube.Options) *kube.Plane {
	t.Helper()
	o.NoControllers = true
	p := kube.New(t, o)
	objects, err := kube.ReadManifests(manifests)
	if err != nil {
		t.Fatal(err)
	}
	objects = slices.DeleteFunc(objects, func(o map[string]any) bool {
		return o["kind"] != "Namespace" && o["kind"] != "CustomResourceDefinition"
	})
	objects = append(objects, widget("first", 1), configMap("first", "1"))
	if err := p.Populate(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
	return p
}

// everything is a policy that selects all that a policy can select by naming it.
func everything() string {
	words := []string{"widgets.example.com", "zones.example.com"}
	for _, r := range object.Resources() {
		if r.Word != "secrets" && r.Class != object.Deny {
			words = append(words, r.Word)
		}
	}
	return fmt.Sprintf(`apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: much}
spec:
  rules:
    - name: much
      resources: [%s]
    - name: secrets
      resources: [secrets]
      namespaces: [shop]
      allowSecrets: true
`, strings.Join(words, ", "))
}

// some is a policy for a few resources of the shop.
const some = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: some}
spec:
  rules:
    - name: some
      resources: [configmaps, services, deployments.apps, widgets.example.com]
      namespaces: [shop]
`

func compile(t *testing.T, text string) *filter.Selection {
	t.Helper()
	cluster := filter.Cluster{Prefix: kube.Root}
	var r strictyaml.Report
	policies := filter.Parse(&r, "policy.yaml", []byte(text), cluster)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	s, err := filter.Compile(policies[0], cluster)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func connect(t *testing.T, config *rest.Config) *client.Client {
	t.Helper()
	cli, err := client.Over(t.Context(), config, "syncer-test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return cli
}

func open(t *testing.T, p *kube.Plane, s *filter.Selection, o Options) *Source {
	t.Helper()
	return New(connect(t, p.Config), kube.Root, s.SourceRanges(), o, slog.New(slog.NewTextHandler(t.Output(), nil)))
}

// below reads the same out of the control plane's etcd.
func below(p *kube.Plane, s *filter.Selection) *etcd.Source {
	return etcd.New(p.Etcd.Client(), s.SourceRanges(), etcd.Options{Progress: 50 * time.Millisecond}, slog.New(slog.DiscardHandler))
}

func cut(r change.Range, at []byte) (low, high change.Range) {
	return change.Range{Lo: r.Lo, Hi: at}, change.Range{Lo: at, Hi: r.Hi}
}

// following collects what a watch delivers.
type following struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan struct{} // closed when the watch has ended
	err    error         // how it ended

	mu        sync.Mutex
	revisions []etcd.Revision
	resolved  int64
	moved     chan struct{} // closed and made anew at every batch
}

type watcher interface {
	Watch(ctx context.Context, from int64, sink func(etcd.Batch) error) error
	Nudge()
}

func follow(t *testing.T, s watcher, from int64) *following {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &following{t: t, cancel: cancel, done: make(chan struct{}), moved: make(chan struct{}), resolved: from - 1}
	go func() {
		defer close(f.done)
		f.err = s.Watch(ctx, from, f.take)
	}()
	t.Cleanup(func() {
		cancel()
		<-f.done
	})
	return f
}

func (f *following) take(b etcd.Batch) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range b.Revisions {
		if r.Revision <= f.resolved {
			f.t.Errorf("revision %d comes after %d was resolved", r.Revision, f.resolved)
		}
		f.resolved = r.Revision
		f.revisions = append(f.revisions, r)
	}
	if b.Resolved < f.resolved {
		f.t.Errorf("resolved %d after %d", b.Resolved, f.resolved)
	}
	f.resolved = b.Resolved
	close(f.moved)
	f.moved = make(chan struct{})
	return nil
}

// reach waits until a revision is resolved, and gives all that was delivered.
func (f *following) reach(s watcher, revision int64) []etcd.Revision {
	f.t.Helper()
	limit := time.After(time.Minute)
	for {
		f.mu.Lock()
		resolved, moved, got := f.resolved, f.moved, f.revisions
		f.mu.Unlock()
		if resolved >= revision {
			return got
		}
		s.Nudge()
		select {
		case <-moved:
		case <-f.done:
			f.t.Fatalf("the watch ended at %d, before %d: %v", resolved, revision, f.err)
		case <-limit:
			f.t.Fatalf("the watch stands at %d and should reach %d", resolved, revision)
		}
	}
}

// end waits until the watch ends by itself.
func (f *following) end() error {
	f.t.Helper()
	select {
	case <-f.done:
		return f.err
	case <-time.After(time.Minute):
		f.t.Fatal("the watch goes on")
		return nil
	}
}

// crossing is what edges get of revisions, as lines.
func crossing(s *filter.Selection, revisions []etcd.Revision, upto int64) string {
	var b strings.Builder
	for _, r := range revisions {
		if r.Revision > upto {
			break
		}
		for _, e := range r.Events {
			if e.Op == change.Delete {
				fmt.Fprintf(&b, "%d delete %s\n", r.Revision, e.Key)
				continue
			}
			o := s.Take(e.Key, e.Value)
			fmt.Fprintf(&b, "%d put %s %v %s %s %s\n", r.Revision, e.Key, o.Verdict, o.Reason, o.Key, o.Value)
		}
	}
	return b.String()
}
