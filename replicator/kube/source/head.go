package source

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/syncer-io/syncer/replicator/kube/client"
)

// systemNamespace is there in every cluster, from its beginning to its end.
const systemNamespace = "kube-system"

var namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}

// head is where a cluster stands.
type head struct {
	revision int64
	uid      string // of the cluster, which is that of its oldest namespace
}

// Current is the revision at which the cluster stands, by a consistent read. A
// watch can begin behind it.
func (s *Source) Current(ctx context.Context) (int64, error) {
	if s.wrong != nil {
		return 0, s.wrong
	}
	if err := s.warm(ctx); err != nil {
		return 0, err
	}
	h, err := s.head(ctx)
	return h.revision, err
}

// warm has the server begin to remember changes of all resources. It begins with
// a resource when it is first asked for it, and forgets at its restart, which
// breaks a watch.
func (s *Source) warm(ctx context.Context) error {
	breaks := s.breaks.Load() + 1
	if s.warmed.Load() == breaks {
		return nil
	}
	for _, res := range s.resources {
		if _, err := s.tick(ctx, res); err != nil && !errors.Is(err, errAbsent) {
			return err
		}
	}
	s.warmed.Store(breaks)
	return nil
}

func (s *Source) head(ctx context.Context) (h head, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		l, err := s.cli.Metadata.Resource(namespaces).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + systemNamespace})
		if err != nil {
			return err
		}
		if len(l.Items) == 0 {
			return errors.New("there is no namespace " + systemNamespace)
		}
		h.uid = string(l.Items[0].UID)
		h.revision, err = revision(l.ResourceVersion)
		return err
	})
	if err != nil {
		return head{}, s.explain(err, rights{verbs: []string{"list"}, resource: "namespaces", name: systemNamespace}, "ask the API server for its revision")
	}
	return h, nil
}

// revision reads a resourceVersion. That of an API server on etcd is a number.
func revision(resourceVersion string) (int64, error) {
	n, err := strconv.ParseInt(resourceVersion, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("the resourceVersion %q is no revision of an etcd", resourceVersion)
	}
	return n, nil
}

// retry repeats a request while it fails for reasons that pass, for
// Options.Patience at most.
func (s *Source) retry(ctx context.Context, ask func(context.Context) error) error {
	p := &patience{limit: s.opts.Patience}
	for {
		err := s.once(ctx, ask)
		if err == nil {
			return nil
		}
		if err := p.wait(ctx, err); err != nil {
			return err
		}
	}
}

// once bounds a request: a connection that is dead does not say so.
func (s *Source) once(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, max(s.opts.Patience, time.Second)*3)
	defer cancel()
	return ask(ctx)
}

// patience says how long a failing request is repeated.
type patience struct {
	limit time.Duration
	until time.Time // zero: nothing failed since the last progress
	pause time.Duration
}

// reset forgets the failures so far, because something was read.
func (p *patience) reset() { p.until = time.Time{} }

// wait returns nil when the request that failed with err should be repeated, and
// the reason to give up otherwise.
func (p *patience) wait(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !client.Transient(err) && !errors.Is(err, errBroken) {
		return err
	}
	now := time.Now()
	if p.until.IsZero() {
		p.until, p.pause = now.Add(p.limit), 50*time.Millisecond
	}
	if now.After(p.until) {
		return err
	}
	timer := time.NewTimer(p.pause)
	defer timer.Stop()
	p.pause = min(2*p.pause, time.Second)
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
