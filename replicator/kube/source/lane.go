package source

import (
	"context"
	"errors"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/syncer-io/syncer/replicator/change"
	etcd "github.com/syncer-io/syncer/replicator/etcd/source"
)

const (
	// shortWatch is the shortest that gets a bookmark: servers send one two
	// seconds before the end.
	shortWatch = 3 * time.Second
	longWatch  = 5 * time.Minute
	// quietTime is how long nothing may come behind an event of the newest
	// revision of all. No bookmark says that nothing more comes at it, since a
	// server sends none for a revision that it has sent an event of. The server
	// itself gets all events of one revision in one piece.
	quietTime = time.Second
	// unserved is how often it is looked whether the server has a resource now.
	unserved = 2 * time.Second
)

// lane follows one resource, by one watch after the other.
type lane struct {
	source *Source
	res    *resource
	merge  *merge
	place  int
	hurry  <-chan struct{}
	there  bool // the server had the resource once
}

// run follows until ctx is done or another watch cannot help.
func (l *lane) run(ctx context.Context) error {
	waits := &patience{limit: l.source.opts.Patience}
	for {
		at := l.merge.reopen(l.place)
		err := l.follow(ctx, at)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if l.merge.reopen(l.place) > at || err == nil {
			waits.reset()
		}
		if err == nil {
			continue
		}
		if err := l.again(ctx, err, waits); err != nil {
			return err
		}
	}
}

// again waits until the next watch may be opened, or says why there is none.
func (l *lane) again(ctx context.Context, cause error, waits *patience) error {
	at := l.merge.reopen(l.place)
	switch {
	case errors.Is(cause, errAbsent) && !l.there:
		return l.await(ctx, at)
	case expired(cause), errors.Is(cause, errLate), errors.Is(cause, errAbsent):
		l.source.log.InfoContext(ctx, "source watch cannot go on", "resource", l.res.Word, "cause", cause, "from", at+1)
		h, err := l.source.head(ctx)
		if err != nil {
			return err
		}
		return &etcd.Compacted{Revision: at + 1, CompactRevision: max(h.revision, at+1)}
	case apierrors.IsNotFound(cause):
		l.res.forget()
		return nil
	}
	l.source.breaks.Add(1)
	l.source.log.InfoContext(ctx, "source watch broke and is opened again", "resource", l.res.Word, "cause", cause, "from", at+1)
	if err := waits.wait(ctx, cause); err != nil {
		return l.source.explain(err, l.res.reading(), "watch %s from revision %d", l.res.Word, at+1)
	}
	h, err := l.source.head(ctx)
	if err != nil {
		return err
	}
	return h.follows(head{revision: at, uid: l.source.uid})
}

// await passes the time in which the server does not have the resource. Nothing
// happens to it meanwhile; but what it is found to lack it may just have got, so
// the lane keeps one look behind.
func (l *lane) await(ctx context.Context, at int64) error {
	h, err := l.source.head(ctx)
	if err != nil {
		return err
	}
	timer := time.NewTimer(unserved)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if _, err := l.source.locate(ctx, l.res); errors.Is(err, errAbsent) {
		l.merge.pass(l.place, max(at, h.revision))
	}
	return nil
}

// follow opens one watch behind a revision and follows it to its end, which is no
// error when it came as planned.
func (l *lane) follow(ctx context.Context, at int64) error {
	p, err := l.source.locate(ctx, l.res)
	if err != nil {
		return err
	}
	l.there = true
	v := view{lasts: longWatch, hurried: l.merge.behind(l.place)}
	if v.hurried {
		v.lasts = shortWatch
		if v.stands, err = l.source.tick(ctx, l.res); err != nil {
			return err
		}
	}
	seconds := int64(v.lasts / time.Second)
	w, err := l.source.cli.Objects.Resource(p.at.Resource).Namespace(p.scope()).Watch(ctx, metav1.ListOptions{
		ResourceVersion: strconv.FormatInt(at, 10), AllowWatchBookmarks: true, TimeoutSeconds: &seconds,
	})
	if err != nil {
		return err
	}
	defer w.Stop()
	v.opened = time.Now()
	return l.look(ctx, p, w, v)
}

// view is one watch of a lane.
type view struct {
	lasts   time.Duration
	opened  time.Time
	hurried bool  // somebody waits for the lane
	stands  int64 // where the resource stood before a hurried watch
}

// look takes the events of a watch until it ends.
func (l *lane) look(ctx context.Context, p place, w watch.Interface, v view) error {
	var quiet <-chan time.Time
	for {
		select {
		case e, ok := <-w.ResultChan():
			if !ok {
				return v.ended()
			}
			rev, err := l.take(ctx, p, e)
			if err != nil {
				return err
			}
			if v.hurried && e.Type == watch.Bookmark {
				return nil
			}
			if rev == v.stands {
				quiet = time.After(quietTime)
			}
		case <-quiet:
			l.merge.pass(l.place, v.stands)
			return nil
		case <-l.hurry:
			if !v.hurried && l.merge.behind(l.place) {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ended tells the end that was asked for from others.
func (v view) ended() error {
	if time.Since(v.opened) < v.lasts-time.Second/2 {
		return errBroken
	}
	return nil
}

// take brings an event into the merge, and gives its revision.
func (l *lane) take(ctx context.Context, p place, e watch.Event) (rev int64, err error) {
	if e.Type == watch.Error {
		return 0, apierrors.FromObject(e.Object)
	}
	u, ok := e.Object.(*unstructured.Unstructured)
	if !ok {
		return 0, errBroken
	}
	if rev, err = revision(u.GetResourceVersion()); err != nil {
		return 0, err
	}
	if e.Type == watch.Bookmark {
		l.merge.pass(l.place, rev)
		return rev, nil
	}
	key := p.key(u.GetNamespace(), u.GetName())
	if !l.res.contains(key) {
		l.merge.pass(l.place, rev-1)
		return rev, nil
	}
	event := etcd.Event{Op: change.Delete, Key: key, ModRevision: rev}
	if e.Type != watch.Deleted {
		event.Op = change.Put
		if event.Value, err = stored(u); err != nil {
			return 0, err
		}
	}
	return rev, l.merge.put(ctx, l.place, event, len(event.Key)+len(event.Value))
}
