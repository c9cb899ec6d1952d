package target

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/source"
)

// Where a commit is many revisions, none of them says whose it is. So each commit
// tells beforehand what it is about to write: in the cursor, or, when it carries
// none, at a mark of its own, which it empties in the end. A write is ours when
// it was told at its revision; that holds after a crash, too.

// tokenBytes is how much is told of a change.
const tokenBytes = 8

// tokens tell of changes of the selection.
func tokens(changes []change.Change) []byte {
	var out []byte
	for _, c := range changes {
		if !strings.HasPrefix(string(c.Key), Prefix) {
			out = append(out, token(c)...)
		}
	}
	return out
}

func token(c change.Change) []byte {
	h := sha256.New()
	_, _ = h.Write(binary.AppendUvarint([]byte{byte(c.Op)}, uint64(len(c.Key)))) // a hash never fails to write
	_, _ = h.Write(c.Key)
	_, _ = h.Write(c.Value)
	return h.Sum(nil)[:tokenBytes]
}

// tells reports whether some tokens tell of a change.
func tells(of []byte, c change.Change) bool {
	if len(of) == 0 {
		return false
	}
	want := token(c)
	for ; len(of) >= tokenBytes; of = of[tokenBytes:] {
		if bytes.Equal(of[:tokenBytes], want) {
			return true
		}
	}
	return false
}

// mostMarks is how many commits without a cursor run at once; more wait.
const mostMarks = 4

// commitMark is the key at which such a commit tells of itself.
type commitMark struct {
	key  []byte
	held holding
}

func (t *Target) marksPrefix() string { return t.markKey() + "/" }

func (t *Target) newMarks() chan *commitMark {
	marks := make(chan *commitMark, mostMarks)
	for i := range mostMarks {
		marks <- &commitMark{key: fmt.Appendf(nil, "%s%d", t.marksPrefix(), i)}
	}
	return marks
}

// marked makes a commit that carries no cursor between the two writes of a mark.
func (t *Target) marked(ctx context.Context, changes []change.Change, commit func() (int64, error)) (int64, error) {
	told := tokens(changes)
	if len(told) == 0 {
		return commit()
	}
	if err := t.fitting(changes); err != nil {
		return 0, err
	}
	var m *commitMark
	select {
	case m = <-t.marks:
		defer func() { t.marks <- m }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if _, err := t.stillOurs(ctx); err != nil {
		return 0, err
	}
	if err := t.setMark(ctx, m, told); err != nil {
		return 0, err
	}
	rev, err := commit()
	if err != nil {
		return 0, err
	}
	return rev, t.setMark(ctx, m, nil)
}

func (t *Target) setMark(ctx context.Context, m *commitMark, told []byte) error {
	rev, err := t.writeKey(ctx, change.Change{Op: change.Put, Key: m.key, Value: told}, m.held, nil)
	if err != nil {
		return fmt.Errorf("tell what is written: %w", err)
	}
	m.held = holding{known: true, mod: rev}
	return nil
}

// clearMarks empties what writers left who are fenced by now. What they wrote
// stays known, by the history.
func (t *Target) clearMarks(ctx context.Context) error {
	if t.single == nil {
		return nil
	}
	left, err := t.marksAt(ctx, 0)
	if err != nil {
		return err
	}
	for _, kv := range left {
		if len(kv.Value) > 0 {
			if err := t.setMark(ctx, &commitMark{key: kv.Key}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// marksAt are the marks as of a revision; 0 is now.
func (t *Target) marksAt(ctx context.Context, revision int64) ([]change.KV, error) {
	ctx, cancel := context.WithTimeout(ctx, t.attempt)
	defer cancel()
	resp, err := t.cli.Get(ctx, t.marksPrefix(), clientv3.WithPrefix(), clientv3.WithRev(revision))
	if errors.Is(err, rpctypes.ErrCompacted) {
		return nil, fmt.Errorf("%w: read the marks at revision %d", ErrCompacted, revision)
	}
	if err != nil {
		return nil, fmt.Errorf("read the marks: %w", t.explain(err, t.marksPrefix()))
	}
	out := make([]change.KV, len(resp.Kvs))
	for i, kv := range resp.Kvs {
		out[i] = change.KV{Key: kv.Key, Value: kv.Value}
	}
	return out, nil
}

// wroteSingle reports whether a revision is one of the channel's commits. A write
// of ours that has no answer yet is waited for.
func (t *Target) wroteSingle(ctx context.Context, r source.Revision) (bool, error) {
	t.writing.Lock()
	t.writing.Unlock() //nolint:staticcheck // to wait is all
	if t.spans.has(r.Revision) || len(r.Events) == 0 {
		return true, nil
	}
	e := r.Events[0] // it is the only one
	c := change.Change{Op: e.Op, Key: e.Key, Value: e.Value}
	kv, err := t.getAt(ctx, t.key.String(), r.Revision)
	if err != nil {
		return false, err
	}
	if kv != nil {
		rec, err := decodeRecord(t.key, kv.value)
		if err != nil || tells(rec.Writing, c) {
			return err == nil, err
		}
	}
	marks, err := t.marksAt(ctx, r.Revision)
	for _, m := range marks {
		if tells(m.Value, c) {
			return true, nil
		}
	}
	return false, err
}
