package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"go.etcd.io/bbolt"
)

func logPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "inbox.db")
}

// open opens a log that must be sound and that the test's end closes.
func open(t testing.TB, path string, o Options) *Log {
	t.Helper()
	l, found, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	if found.Damaged() {
		t.Fatalf("damage: %v", found)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

func mustAppend(t testing.TB, l *Log, records ...[]byte) uint64 {
	t.Helper()
	last, err := l.Append(context.Background(), records...)
	if err != nil {
		t.Fatal(err)
	}
	return last
}

func mustDo(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// payload is what record seq holds in the tests: the content tells the number.
func payload(seq uint64, size int) []byte {
	b := fmt.Appendf(nil, "record %d ", seq)
	for len(b) < size {
		b = append(b, byte(seq), byte(len(b)))
	}
	return b[:max(size, 16)]
}

// expect fails unless the log holds exactly the records first..last of payload.
func expect(t testing.TB, l *Log, first, last uint64, size int) {
	t.Helper()
	got, err := l.Read(0, 1<<30)
	mustDo(t, err)
	if uint64(len(got)) != last+1-first {
		t.Fatalf("%d records, want %d to %d", len(got), first, last)
	}
	for i, r := range got {
		if want := first + uint64(i); r.Seq != want || !bytes.Equal(r.Data, payload(want, size)) {
			t.Fatalf("record %d is %d %q", want, r.Seq, r.Data)
		}
	}
}

func fill(t testing.TB, l *Log, n, size int) {
	t.Helper()
	batch := make([][]byte, n)
	for i := range batch {
		batch[i] = payload(l.Next()+uint64(i), size)
	}
	mustAppend(t, l, batch...)
}

// commits is the number of transactions the file has seen.
func commits(t testing.TB, l *Log) (n int) {
	t.Helper()
	mustDo(t, l.inside(func(tx *bbolt.Tx) error { n = tx.ID(); return nil }))
	return n
}

// hold keeps the committer from committing until release is called.
func hold(t testing.TB, l *Log) (release func()) {
	t.Helper()
	tx, err := l.db.Begin(true)
	mustDo(t, err)
	return func() { mustDo(t, tx.Rollback()) }
}

// until spins until the log's inner state is as wanted.
func until(l *Log, wanted func() bool) {
	for {
		l.mu.Lock()
		ok := wanted()
		l.mu.Unlock()
		if ok {
			return
		}
		runtime.Gosched()
	}
}

func TestAppendedRecordsAreReadBackInOrder(t *testing.T) {
	l := open(t, logPath(t), Options{})
	for range 10 {
		fill(t, l, 7, 100)
	}
	expect(t, l, 1, 70, 100)
	if l.First() != 1 || l.Next() != 71 || l.Len() != 70 || l.Bytes() != 70*recordSize(100) {
		t.Fatalf("first %d, next %d, len %d, bytes %d", l.First(), l.Next(), l.Len(), l.Bytes())
	}
}

func TestRecordsOfAnySizeSurviveReopening(t *testing.T) {
	path := logPath(t)
	sizes := []int{0, 1, 4096, 5000, 1 << 20, 0, 3 << 20, 17}
	l := open(t, path, Options{})
	for _, n := range sizes {
		mustAppend(t, l, bytes.Repeat([]byte{byte(n)}, n))
	}
	mustDo(t, l.Close())
	l = open(t, path, Options{})
	got, err := l.Read(1, 1<<30)
	mustDo(t, err)
	for i, n := range sizes {
		if !bytes.Equal(got[i].Data, bytes.Repeat([]byte{byte(n)}, n)) {
			t.Errorf("record %d of %d bytes differs", i+1, n)
		}
	}
}

func TestReadStopsAtTheByteBoundButGivesOne(t *testing.T) {
	l := open(t, logPath(t), Options{})
	fill(t, l, 10, 100)
	for _, c := range []struct {
		from     uint64
		maxBytes int
		first    uint64
		count    int
	}{{0, 0, 1, 1}, {1, 99, 1, 1}, {1, 200, 1, 2}, {3, 299, 3, 2}, {9, 1 << 20, 9, 2}, {11, 1 << 20, 0, 0}, {500, 1, 0, 0}} {
		got, err := l.Read(c.from, c.maxBytes)
		mustDo(t, err)
		if len(got) != c.count || (c.count > 0 && got[0].Seq != c.first) {
			t.Errorf("Read(%d, %d) gives %d records %v", c.from, c.maxBytes, len(got), got)
		}
	}
}

func TestSequenceGoesOnAcrossTruncateResetAndReopen(t *testing.T) {
	path := logPath(t)
	l := open(t, path, Options{})
	fill(t, l, 10, 20)
	mustDo(t, l.TruncateBelow(99))
	mustDo(t, l.Close())
	l = open(t, path, Options{})
	if l.First() != 11 || l.Next() != 11 || l.Len() != 0 {
		t.Fatalf("first %d, next %d", l.First(), l.Next())
	}
	fill(t, l, 5, 20)
	mustDo(t, l.Reset())
	if l.Len() != 0 || l.Bytes() != 0 {
		t.Fatalf("%d records, %d bytes after Reset", l.Len(), l.Bytes())
	}
	mustDo(t, l.Close())
	l = open(t, path, Options{})
	fill(t, l, 1, 20)
	expect(t, l, 16, 16, 20)
}

func TestTruncatedRecordsAreGoneAtOnceAndStayGoneAfterClose(t *testing.T) {
	path := logPath(t)
	l := open(t, path, Options{})
	fill(t, l, 100, 50)
	mustDo(t, l.TruncateBelow(41))
	expect(t, l, 41, 100, 50)
	mustDo(t, l.TruncateBelow(10))
	expect(t, l, 41, 100, 50)
	if l.Bytes() != 60*recordSize(50) {
		t.Fatalf("bytes %d", l.Bytes())
	}
	mustDo(t, l.Close())
	expect(t, open(t, path, Options{}), 41, 100, 50)
}

func TestTruncationsAreWrittenWithTheNextAppend(t *testing.T) {
	path := logPath(t)
	l := open(t, path, Options{})
	fill(t, l, 10, 50)
	before := commits(t, l)
	mustDo(t, l.TruncateBelow(6))
	fill(t, l, 1, 50)
	if n := commits(t, l) - before; n != 1 {
		t.Fatalf("%d commits", n)
	}
	if s, err := Inspect(path); err != nil || s.First != 6 {
		t.Fatalf("the file begins at %d, %v", s.First, err)
	}
}

func TestManyTruncationsAreWrittenWithoutAnAppend(t *testing.T) {
	l := open(t, logPath(t), Options{})
	fill(t, l, 2*trimRecords, 20)
	mustDo(t, l.TruncateBelow(trimRecords+1))
	until(l, func() bool { return l.disk.first == trimRecords+1 })
}

func TestConcurrentAppendersShareCommits(t *testing.T) {
	const appenders = 64
	l := open(t, logPath(t), Options{})
	before := commits(t, l)
	release := hold(t, l)
	var all sync.WaitGroup
	seqs := make([]uint64, appenders)
	for i := range appenders {
		all.Go(func() { seqs[i] = mustAppend(t, l, fmt.Appendf(nil, "by %d", i)) })
	}
	until(l, func() bool { return l.queues.reserved == appenders*recordSize(4)+(appenders-10) })
	release()
	all.Wait()
	if n := commits(t, l) - before; n > 2 {
		t.Errorf("%d appends took %d commits", appenders, n)
	}
	got, err := l.Read(1, 1<<20)
	mustDo(t, err)
	for i, seq := range seqs {
		if string(got[seq-1].Data) != fmt.Sprintf("by %d", i) {
			t.Errorf("appender %d was told %d, there is %q", i, seq, got[seq-1].Data)
		}
	}
}

func TestAppendOfSeveralRecordsStaysTogether(t *testing.T) {
	l := open(t, logPath(t), Options{})
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			for range 10 {
				mustAppend(t, l, []byte{byte(i), 0}, []byte{byte(i), 1}, []byte{byte(i), 2})
			}
		})
	}
	all.Wait()
	got, err := l.Read(1, 1<<20)
	mustDo(t, err)
	for i := 0; i < len(got); i += 3 {
		for j := range 3 {
			if got[i+j].Data[0] != got[i].Data[0] || int(got[i+j].Data[1]) != j {
				t.Fatalf("records %d to %d: %v", i+1, i+3, got[i:i+3])
			}
		}
	}
}

func TestFullLogBlocksAppendUntilTruncated(t *testing.T) {
	l := open(t, logPath(t), Options{MaxBytes: 10 * recordSize(100)})
	fill(t, l, 10, 100)
	done := make(chan uint64)
	go func() { done <- mustAppend(t, l, payload(11, 100)) }()
	until(l, func() bool { return len(l.queues.blocked) == 1 })
	select {
	case <-done:
		t.Fatal("append went through a full log")
	default:
	}
	mustDo(t, l.TruncateBelow(2))
	if last := <-done; last != 11 {
		t.Fatalf("last %d", last)
	}
	expect(t, l, 2, 11, 100)
}

func TestBlockedAppendEndsWithItsContext(t *testing.T) {
	l := open(t, logPath(t), Options{MaxBytes: recordSize(100)})
	fill(t, l, 1, 100)
	cause := errors.New("link is down")
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error)
	go func() { _, err := l.Append(ctx, []byte("x")); done <- err }()
	until(l, func() bool { return len(l.queues.blocked) == 1 })
	cancel(cause)
	if err := <-done; !errors.Is(err, cause) {
		t.Fatal(err)
	}
	mustDo(t, l.TruncateBelow(2))
	fill(t, l, 1, 100)
	expect(t, l, 2, 2, 100)
}

func TestQueuedAppendThatIsCancelledIsNotAppended(t *testing.T) {
	l := open(t, logPath(t), Options{})
	release := hold(t, l)
	first := make(chan uint64)
	go func() { first <- mustAppend(t, l, payload(1, 50)) }()
	until(l, func() bool { return l.queues.reserved > 0 && len(l.queues.ready) == 0 }) // its commit waits for hold
	ctx, cancel := context.WithCancel(context.Background())
	second := make(chan error)
	go func() { _, err := l.Append(ctx, []byte("never")); second <- err }()
	until(l, func() bool { return len(l.queues.ready) == 1 })
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	release()
	<-first
	expect(t, l, 1, 1, 50)
}

func TestAppendLargerThanTheLogIsRefusedAtOnce(t *testing.T) {
	l := open(t, logPath(t), Options{MaxBytes: 1000})
	if _, err := l.Append(context.Background(), make([]byte, 1000)); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	mustAppend(t, l, make([]byte, 1000-Overhead))
}

func TestCloseFinishesAcceptedAndRefusesBlockedAppends(t *testing.T) {
	path := logPath(t)
	l := open(t, path, Options{MaxBytes: 2 * recordSize(100)})
	release := hold(t, l)
	accepted, blocked := make(chan error), make(chan error)
	go func() {
		_, err := l.Append(context.Background(), payload(1, 100), payload(2, 100))
		accepted <- err
	}()
	until(l, func() bool { return l.queues.reserved == 2*recordSize(100) })
	go func() { _, err := l.Append(context.Background(), []byte("x")); blocked <- err }()
	until(l, func() bool { return len(l.queues.blocked) == 1 })
	closed := make(chan error)
	go func() { closed <- l.Close() }()
	if err := <-blocked; !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	release()
	mustDo(t, <-accepted)
	mustDo(t, <-closed)
	expect(t, open(t, path, Options{}), 1, 2, 100)
}

func TestClosedLogRefusesEverything(t *testing.T) {
	l := open(t, logPath(t), Options{})
	fill(t, l, 3, 20)
	mustDo(t, l.Close())
	mustDo(t, l.Close())
	_, appendErr := l.Append(context.Background(), []byte("x"))
	_, readErr := l.Read(1, 1)
	for what, err := range map[string]error{
		"append": appendErr, "read": readErr, "truncate": l.TruncateBelow(2), "reset": l.Reset(),
		"wait": l.Wait(context.Background(), 99),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestWaitReturnsWhenTheRecordIsDurable(t *testing.T) {
	l := open(t, logPath(t), Options{})
	done := make(chan error)
	go func() { done <- l.Wait(context.Background(), 3) }()
	fill(t, l, 2, 20)
	fill(t, l, 1, 20)
	mustDo(t, <-done)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Wait(ctx, 4); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestReadersAppendersAndTruncationsRunTogether(t *testing.T) {
	const total, size = 3000, 300
	l := open(t, logPath(t), Options{MaxBytes: 100 * recordSize(size), MaxFileBytes: 64 << 10})
	var all sync.WaitGroup
	all.Go(func() {
		for l.Next() <= total {
			n := 1 + l.Next()%37
			batch := make([][]byte, n)
			for i := range batch {
				batch[i] = payload(l.Next()+uint64(i), size)
			}
			mustAppend(t, l, batch...)
		}
	})
	all.Go(func() {
		for next := uint64(1); next <= total; {
			if err := l.Wait(t.Context(), next); err != nil {
				t.Error(err)
				return
			}
			got, err := l.Read(next, 5*size)
			if err != nil {
				t.Error(err)
				return
			}
			for _, r := range got {
				if r.Seq != next || !bytes.Equal(r.Data, payload(next, size)) {
					t.Errorf("record %d is %d %q", next, r.Seq, r.Data[:16])
					return
				}
				next++
			}
			if err := l.TruncateBelow(next - next%5); err != nil {
				t.Error(err)
				return
			}
		}
	})
	all.Wait()
}

func TestCommitThatFailedAfterReachingTheFileIsNeverSeen(t *testing.T) {
	path := logPath(t)
	l := open(t, path, Options{})
	fill(t, l, 3, 50)
	ghost := work{view: l.current(), batch: []*request{newRequest([][]byte{[]byte("ghost"), []byte("ghost")})}}
	mustDo(t, update(l.db, func(tx *bbolt.Tx) error { _, err := l.write(tx, ghost); return err }))
	expect(t, l, 1, 3, 50)
	fill(t, l, 1, 50)
	expect(t, l, 1, 4, 50)
	mustDo(t, l.Close())
	expect(t, open(t, path, Options{}), 1, 4, 50)
}

func TestResetMakesRoomForBlockedAppends(t *testing.T) {
	l := open(t, logPath(t), Options{MaxBytes: 2 * recordSize(100)})
	fill(t, l, 2, 100)
	done := make(chan uint64)
	go func() { done <- mustAppend(t, l, payload(3, 100)) }()
	until(l, func() bool { return len(l.queues.blocked) == 1 })
	mustDo(t, l.Reset())
	<-done
	expect(t, l, 3, 3, 100)
}

func TestAppendOfNothingGivesTheLastNumber(t *testing.T) {
	l := open(t, logPath(t), Options{})
	if last := mustAppend(t, l); last != 0 {
		t.Fatal(last)
	}
	fill(t, l, 2, 20)
	if last := mustAppend(t, l); last != 2 {
		t.Fatal(last)
	}
}

func TestNegativeOptionsAreRefused(t *testing.T) {
	path := logPath(t)
	if _, _, err := Open(path, Options{MaxBytes: -1}); err == nil {
		t.Fatal("accepted")
	}
}
