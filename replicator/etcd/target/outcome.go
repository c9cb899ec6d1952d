package target

import (
	"context"
	"errors"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/cenkalti/backoff/v5"

	"github.com/syncer-io/syncer/replicator/etcd/dial"
)

// send sends the transaction until it is known to have taken effect, or not.
// cursor is the one that it writes, or nil.
func (t *Target) send(ctx context.Context, req *pb.TxnRequest, cursor []byte) (int64, error) {
	pause := newPause()
	for {
		resp, err := t.change(ctx, req)
		switch {
		case err == nil && resp.Succeeded:
			return resp.Header.Revision, nil
		case err == nil:
			return t.guardLost(resp, cursor)
		case !dial.OutcomeUnknown(err):
			return 0, err
		}
		if cursor != nil {
			rev, landed, serr := t.settle(ctx, cursor, pause)
			if landed || serr != nil {
				return rev, serr
			}
		}
		if errors.Is(err, rpctypes.ErrNoSpace) {
			return 0, err // space comes from the operator, not from trying
		}
		if err := wait(ctx, pause); err != nil {
			return 0, t.unknown(ctx, cursor, err)
		}
	}
}

// guardLost reads out of the answer why the transaction had no effect. An
// earlier sending of the same transaction may have been the reason.
func (t *Target) guardLost(resp *pb.TxnResponse, cursor []byte) (int64, error) {
	now, err := t.state(resp.Responses[0].GetResponseRange())
	if err != nil {
		return 0, err
	}
	switch {
	case cursor != nil && now.holds(cursor):
		return now.modRev, nil
	case now.modRev == t.guard.modRev:
		return resp.Header.Revision, errTouched
	}
	return 0, t.lost(now)
}

// settle finds out by the cursor whether the transaction that writes it took
// effect. Without landed and error it did not, and may be sent again.
func (t *Target) settle(ctx context.Context, cursor []byte, pause *backoff.ExponentialBackOff) (rev int64, landed bool, err error) {
	for {
		now, err := t.read(ctx)
		switch {
		case err == nil && now.holds(cursor):
			return now.modRev, true, nil
		case err == nil && now.modRev == t.guard.modRev:
			return 0, false, nil
		case err == nil:
			return 0, false, t.lost(now)
		case ctx.Err() == nil && !dial.Retryable(err):
			return 0, false, fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
		}
		if werr := wait(ctx, pause); werr != nil {
			return 0, false, t.unknown(ctx, cursor, err)
		}
	}
}

// unknown is the error when the context ends first. Data alone needs no
// answer: writing it again changes nothing.
func (t *Target) unknown(ctx context.Context, cursor []byte, err error) error {
	if cursor == nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return fmt.Errorf("%w: %w: %w", ErrOutcomeUnknown, context.Cause(ctx), err)
}

// newPause begins short: most outages are a leader election or a reconnect.
func newPause() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = 20 * time.Millisecond
	b.MaxInterval = 2 * time.Second
	return b
}

func wait(ctx context.Context, pause *backoff.ExponentialBackOff) error {
	timer := time.NewTimer(pause.NextBackOff())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
