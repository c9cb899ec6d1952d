package source

import (
	"context"
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// head is where a source stands.
type head struct {
	revision int64
	cluster  uint64
	term     uint64
}

// Current is the revision at which the source stands, by a linearizable read.
// It fails when the client may not read all that Watch would cover.
func (s *Source) Current(ctx context.Context) (int64, error) {
	h, err := s.head(ctx)
	return h.revision, err
}

// head asks by a transaction whose condition never holds. The server checks
// that the client may read the covering range, confirms its leader, and reads
// one index entry: the price does not depend on the size of the selection.
func (s *Source) head(ctx context.Context) (head, error) {
	all := s.sel.covering()
	key, end, ok := bounds(all)
	if !ok {
		return head{}, errNothing
	}
	var h head
	err := s.retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, s.opts.Patience)
		defer cancel()
		if s.opts.Plain {
			resp, err := s.cli.Get(ctx, key, clientv3.WithKeysOnly())
			if err == nil {
				h = head{revision: resp.Header.Revision}
			}
			return err
		}
		resp, err := s.cli.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(key), "<", 0)).
			Then(clientv3.OpGet(key, clientv3.WithRange(end))).
			Commit()
		if err != nil {
			return err
		}
		h = head{revision: resp.Header.Revision, cluster: resp.Header.ClusterId, term: resp.Header.RaftTerm}
		return nil
	})
	if err != nil {
		return head{}, s.explain(err, "asking the source for its revision", all)
	}
	return h, nil
}

// headAfter is head, asked again for Options.Patience at most while nothing but
// its term says that it is not what comes after was.
func (s *Source) headAfter(ctx context.Context, was head) (head, error) {
	p := s.patience()
	for {
		h, err := s.head(ctx)
		if err != nil || h.term >= was.term || h.differs(head{was.revision, was.cluster, 0}) != "" {
			return h, err
		}
		err = p.wait(ctx, errOldTerm)
		if errors.Is(err, errOldTerm) {
			return h, nil // it stays so, and that is the answer
		}
		if err != nil {
			return h, err
		}
	}
}

// retry repeats a read while the source is unreachable, for Options.Patience
// at most. clientv3 repeats plain ranges only.
func (s *Source) retry(ctx context.Context, read func() error) error {
	p := s.patience()
	for {
		err := read()
		if err == nil {
			return nil
		}
		if err := p.wait(ctx, err); err != nil {
			return err
		}
	}
}

// patience says how long a failing read is repeated.
type patience struct {
	limit time.Duration
	until time.Time // zero: nothing failed since the last progress
	pause time.Duration
}

func (s *Source) patience() *patience { return &patience{limit: s.opts.Patience} }

// reset forgets the failures so far, because something was read.
func (p *patience) reset() { p.until = time.Time{} }

// wait returns nil when the read that failed with err should be repeated, and
// the reason to give up otherwise.
func (p *patience) wait(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !transient(err) {
		return err
	}
	now := time.Now()
	if p.until.IsZero() {
		p.until, p.pause = now.Add(p.limit), 20*time.Millisecond
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
