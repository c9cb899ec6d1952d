package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/wal"
)

// errFull tells that what happened at the source does not fit the spool.
var errFull = errors.New("the spool is full")

// spool keeps the source's history of one channel on disk while no hub takes
// it, so that a source which compacts meanwhile forces no comparison. It goes
// on where a checkpoint of the index ends, without a gap.
//
// A spool is never needed for the content, only for the way there: whatever is
// wrong with it, it is dropped, that is said, and keys are compared.
//
// One goroutine at a time appends or empties: the spooler between terms, the
// channel within one. Everything else may run at once.
type spool struct {
	path   string
	bound  int64 // bytes
	logger *slog.Logger

	mu    sync.Mutex
	log   *wal.Log    // nil while the file cannot be used
	after int64       // the first record's: where the history begins
	end   spoolRecord // header of the newest record; zero when there is none
	// left is the checkpoint behind which spooling was given up: what is missing
	// there stays missing.
	left   change.Position
	full   bool
	reason string // why the newest spool was dropped
	ails   string // why nothing is spooled now
}

func newSpool(path string, bound int64, channel string, logger *slog.Logger) *spool {
	return &spool{path: path, bound: bound, logger: logger.With("channel", channel)}
}

// open opens the file, or makes it. It does nothing when it is open already. A
// file that is damaged, or is no spool, is emptied.
func (s *spool) open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log != nil {
		return nil
	}
	log, found, err := s.openLog()
	if err != nil {
		return fmt.Errorf("open the spool: %w", err)
	}
	s.log, s.after, s.end = log, 0, spoolRecord{}
	damage := found.Damage
	if damage == nil {
		damage = s.readEnds()
	}
	if damage != nil {
		return s.empty("it is damaged: " + damage.Error())
	}
	return nil
}

// openLog makes a file anew that is of no use to this program.
func (s *spool) openLog() (*wal.Log, wal.Recovery, error) {
	o := wal.Options{MaxBytes: s.bound, Log: s.logger}
	log, found, err := wal.Open(s.path, o)
	if !errors.Is(err, wal.ErrForeign) && !errors.Is(err, wal.ErrFormat) {
		return log, found, err
	}
	s.logger.Warn("the file of the spool cannot be read and is made anew", "path", s.path, "cause", err.Error())
	if err := os.Remove(s.path); err != nil {
		return nil, found, err
	}
	return wal.Open(s.path, o)
}

// readEnds reads the first and the last header. The caller holds mu.
func (s *spool) readEnds() error {
	if s.log.Len() == 0 {
		return nil
	}
	for i, seq := range []uint64{s.log.First(), s.log.Next() - 1} {
		found, err := s.log.Read(seq, 1)
		if err != nil {
			return err
		}
		r, err := decodeSpoolRecord(found[0].Data)
		if err != nil {
			return err
		}
		if i == 0 {
			s.after = r.after
		}
		r.body = nil
		s.end = r
	}
	return nil
}

// last is the newest revision that is spooled, or 0.
func (s *spool) last() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end.resolved
}

// holds reports whether the history from a revision on begins in the spool.
func (s *spool) holds(from int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log != nil && s.after < from && from <= s.end.resolved
}

// align drops the spool unless it goes on where the checkpoint ends.
func (s *spool) align(cp checkpoint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.log == nil || s.end.resolved == 0:
		return nil
	case s.end.lineage != cp.Head.Lineage:
		return s.empty(fmt.Sprintf("it is of lineage %v, the channel is of %v", s.end.lineage, cp.Head.Lineage))
	case s.end.policy != cp.Policy:
		return s.empty("it is of another policy")
	case s.after > cp.Revision:
		return s.empty(fmt.Sprintf("it begins behind revision %d, the index ends at %d", s.after, cp.Revision))
	case s.end.resolved <= cp.Revision:
		return s.empty("")
	}
	return nil
}

// append makes a batch durable that follows what the spool holds or, when it
// holds nothing, the checkpoint. errFull comes before anything is written.
func (s *spool) append(ctx context.Context, cp checkpoint, b source.Batch) error {
	s.mu.Lock()
	log, end, after := s.log, s.end, s.after
	s.mu.Unlock()
	if log == nil {
		return errors.New("append to the spool: it is not open")
	}
	if end.resolved == 0 {
		after = cp.Revision
		end = spoolRecord{lineage: cp.Head.Lineage, policy: cp.Policy, resolved: cp.Revision}
	}
	var sets []change.Changeset
	for _, r := range b.Revisions {
		sets = append(sets, changesetOf(r)...)
	}
	records, err := end.records(sets, b.Resolved)
	if err != nil {
		return fmt.Errorf("spool revisions %d to %d: %w", end.resolved+1, b.Resolved, err)
	}
	encoded, size := make([][]byte, len(records)), int64(0)
	for i, r := range records {
		encoded[i] = r.encode()
		size += int64(len(encoded[i])) + wal.Overhead
	}
	if log.Bytes()+size > s.bound {
		return fmt.Errorf("spool revisions %d to %d: %w: %d of %d bytes are in use", end.resolved+1, b.Resolved, errFull, log.Bytes(), s.bound)
	}
	if _, err := log.Append(ctx, encoded...); err != nil {
		if errors.Is(err, wal.ErrFailed) {
			err = errors.Join(err, s.close()) // opened again before the next attempt
		}
		return fmt.Errorf("spool revisions %d to %d: %w", end.resolved+1, b.Resolved, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.after, s.end = after, records[len(records)-1]
	s.end.body = nil
	s.full, s.reason, s.ails = false, "", ""
	return nil
}

// replay gives the history behind a revision, record by record, as a watch
// would have. Damage is change.ErrMalformed or *wal.CorruptError.
func (s *spool) replay(after int64, fn func(source.Batch) error) error {
	s.mu.Lock()
	log := s.log
	s.mu.Unlock()
	if log == nil {
		return nil
	}
	p := player{after: after}
	for seq := log.First(); ; {
		found, err := log.Read(seq, recordBytes)
		if err != nil {
			return fmt.Errorf("read the spool: %w", err)
		}
		if len(found) == 0 {
			return p.ended()
		}
		for _, r := range found {
			b, err := p.play(r.Data)
			if err != nil {
				return fmt.Errorf("read record %d of the spool: %w", r.Seq, err)
			}
			if b.Resolved <= after {
				continue
			}
			if err := fn(b); err != nil {
				return err
			}
		}
		seq = found[len(found)-1].Seq + 1
	}
}

// player turns records into batches.
type player struct {
	after int64
	prev  spoolRecord
	open  source.Revision // of which more comes in the next record
}

func (p *player) play(data []byte) (source.Batch, error) {
	r, err := decodeSpoolRecord(data)
	if err != nil {
		return source.Batch{}, err
	}
	if p.prev.resolved != 0 && (r.after != p.prev.resolved || r.lineage != p.prev.lineage || r.policy != p.prev.policy) {
		return source.Batch{}, fmt.Errorf("%w: a spool record that begins behind %v@%d follows one that ends at %v@%d",
			change.ErrMalformed, r.lineage, r.after, p.prev.lineage, p.prev.resolved)
	}
	p.prev = r
	b := source.Batch{Resolved: r.resolved}
	if r.resolved < p.after && len(p.open.Events) == 0 {
		return b, nil // known, with the part of a revision that may end it
	}
	sets, err := r.changesets()
	if err != nil {
		return b, err
	}
	for _, set := range sets {
		if len(p.open.Events) > 0 && set.Revision != p.open.Revision {
			return b, fmt.Errorf("%w: revision %d is not finished in the spool", change.ErrMalformed, p.open.Revision)
		}
		if !unspool(&p.open, set) {
			continue
		}
		if p.open.Revision > p.after {
			b.Revisions = append(b.Revisions, p.open)
		}
		p.open = source.Revision{}
	}
	return b, nil
}

func (p *player) ended() error {
	if len(p.open.Events) > 0 {
		return fmt.Errorf("%w: the spool ends within revision %d", change.ErrMalformed, p.open.Revision)
	}
	return nil
}

// settle empties the spool once the index is committed beyond it.
func (s *spool) settle(revision int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log == nil || s.end.resolved == 0 || s.end.resolved > revision {
		return nil
	}
	s.logger.Info("what was spooled is published", "revisions", s.end.count, "revision", s.end.resolved)
	return s.empty("")
}

// drop empties the spool, whatever it holds, and says why unless the channel
// has passed it.
func (s *spool) drop(passed int64, why string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log == nil || s.end.resolved == 0 {
		return nil
	}
	if s.end.resolved <= passed {
		why = ""
	}
	return s.empty(why)
}

// leave gives up behind a checkpoint: the history from there on cannot be
// spooled any more, so none of it is kept. Of a source that went back it is
// kept as the proof: the next term finds the difference and begins a lineage.
func (s *spool) leave(cp checkpoint, cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = change.Position{Lineage: cp.Head.Lineage, Revision: cp.Revision}
	s.full = errors.Is(cause, errFull)
	var back *source.WentBack
	if errors.As(cause, &back) {
		s.reason = cause.Error()
		s.logger.Warn("the source went back, its history is not spooled any more", "cause", s.reason)
		return nil
	}
	return s.empty(cause.Error())
}

// isLeft reports whether spooling was given up behind a checkpoint.
func (s *spool) isLeft(cp checkpoint) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left == change.Position{Lineage: cp.Head.Lineage, Revision: cp.Revision} && !s.left.IsZero()
}

// empty removes every record, and says why if there is a reason to say. The
// caller holds mu.
func (s *spool) empty(why string) error {
	if why != "" {
		s.reason = why
		s.logger.Warn("the spool is dropped, keys will be compared", "cause", why, "revisions", s.end.count, "revision", s.end.resolved)
	}
	if s.log == nil || s.log.Len() == 0 {
		return nil
	}
	s.after, s.end = 0, spoolRecord{}
	if err := s.log.Reset(); err != nil {
		return errors.Join(fmt.Errorf("empty the spool: %w", err), s.shut())
	}
	return nil
}

// trouble notes why nothing is spooled now.
func (s *spool) trouble(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ails == cause.Error() {
		return
	}
	s.ails = cause.Error()
	s.logger.Warn("the source's history is not spooled", "cause", s.ails)
}

// rest notes that there is nothing to spool now.
func (s *spool) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ails = ""
}

// status is nil when there is nothing to say.
func (s *spool) status() *status.Spool {
	s.mu.Lock()
	defer s.mu.Unlock()
	reason := s.ails
	if reason == "" {
		reason = s.reason
	}
	if s.end.resolved == 0 && reason == "" {
		return nil
	}
	out := &status.Spool{MaxBytes: s.bound, Revision: s.end.resolved, Revisions: s.end.count, Full: s.full, Reason: reason}
	if s.log != nil {
		out.Bytes = s.log.Bytes()
	}
	return out
}

// close closes the file. What is spooled stays for the next process.
func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shut()
}

func (s *spool) shut() error {
	if s.log == nil {
		return nil
	}
	log := s.log
	s.log, s.after, s.end = nil, 0, spoolRecord{}
	return log.Close()
}
