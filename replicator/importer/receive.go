package importer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/wal"
)

// ErrGap tells that a message does not follow the one before it: something
// between them is missing, or the stream is not the one it was. The edge
// attaches again and the exporter decides.
var ErrGap = errors.New("gap in the chain of frames")

// receiveBytes is how much one append to the inbox takes along.
const receiveBytes = 256 << 10

// link is what the receiver has verified so far. It trusts no sequence number
// and no consumer state: a message counts when it names the hash of the one
// before it.
type link struct {
	channel  string
	lineage  change.Lineage
	hash     change.Hash
	revision int64
}

// follow decides about one message: keep it, drop it (an old frame that is
// delivered again), or fail with ErrGap.
func (l *link) follow(m jetstream.Message) (keep bool, err error) {
	f, err := change.DecodeFrame(m.Data)
	var format *change.FormatError
	if errors.As(err, &format) {
		return false, err
	}
	if err != nil || f.Channel != l.channel {
		return false, nil //nolint:nilerr // not a frame of this channel: somebody else wrote it
	}
	if !f.Kind.Chained() {
		// A chunk that stands behind another frame than the newest is out of
		// order; the edge asks again for what does not come.
		return f.PrevHash == l.hash, nil
	}
	if f.PrevHash == l.hash && (f.Lineage == l.lineage || f.Kind == change.KindReset) {
		l.hash, l.lineage = change.HashOf(m.Data), f.Lineage
		l.revision = f.Last
		if f.Part != f.Parts-1 {
			l.revision = f.Prev
		}
		return true, nil
	}
	if f.Lineage == l.lineage && f.Last <= l.revision {
		return false, nil
	}
	return false, fmt.Errorf("%w: %v of revisions %d to %d at sequence %d does not follow %v@%d", ErrGap, f.Kind, f.First, f.Last, m.Seq, l.lineage, l.revision)
}

// receive moves messages from the feed to the inbox until something fails. A
// message is acknowledged when it is durable in the inbox.
func (s *session) receive(ctx context.Context) error {
	s.im.quiet.attached()
	kept := time.Now()
	var flow meter
	for {
		silence := s.im.quiet.patience(s.profile.Heartbeat)
		batch, err := s.feed.Next(ctx, silence, receiveBytes)
		if err != nil {
			return err
		}
		records := make([][]byte, 0, len(batch))
		dropped := 0
		for _, d := range batch {
			if speed, ok := flow.took(time.Now(), len(d.Data)); ok {
				s.im.view.flowed(speed)
			}
			if s.im.order(d.Data) {
				continue // it is for this edge, whatever frames it stands between
			}
			keep, err := s.link.follow(d.Message)
			if err != nil {
				return errors.Join(err, s.keep(ctx, records, nil))
			}
			if !keep {
				dropped++
				continue
			}
			records = append(records, encodeRecord(d.Seq, d.Data))
		}
		if len(records) > 0 {
			kept = time.Now()
			s.im.quiet.heard()
		} else if time.Since(kept) > silence {
			return fmt.Errorf("%w: nothing that follows the chain for %v", jetstream.ErrFeedEnded, silence)
		}
		if err := s.keep(ctx, records, &batch[len(batch)-1]); err != nil {
			return err
		}
		s.im.view.received(s.link.revision, dropped)
	}
}

// keep appends records and acknowledges the last message of their batch. The
// inbox blocks while it is full, and so the hub stops delivering. An append
// that fails (no space) is tried again until ctx is done: nothing is
// acknowledged meanwhile.
func (s *session) keep(ctx context.Context, records [][]byte, last *jetstream.Delivery) error {
	for len(records) > 0 {
		failpoint.Hit(failpoint.AppendBefore)
		_, err := s.im.inbox.Append(ctx, records...)
		if err == nil {
			failpoint.Hit(failpoint.AppendAfter)
			s.im.view.trouble(partInbox, nil)
			break
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, wal.ErrFailed) {
			return err // the next session opens it again
		}
		s.im.view.trouble(partInbox, inboxTrouble(err))
		if err := wait(ctx, time.Second); err != nil {
			return err
		}
	}
	if last == nil {
		return nil
	}
	if err := last.Ack(); err != nil {
		return err
	}
	failpoint.Hit(failpoint.Acknowledged)
	return nil
}
