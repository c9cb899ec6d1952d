package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// sample is a closed log with records of several shapes: tiny ones, ones that
// share a page, ones that fill several. Some of its beginning was truncated.
func sample(t testing.TB) (path string, want []Record) { t.Helper(); return sampleOf(t, 90) }

func sampleOf(t testing.TB, n int) (path string, want []Record) {
	t.Helper()
	path = logPath(t)
	l := open(t, path, Options{})
	for range n {
		mustAppend(t, l, samplePayload(l.Next()))
	}
	mustDo(t, l.TruncateBelow(11))
	want, err := l.Read(0, 1<<30)
	mustDo(t, err)
	mustDo(t, l.Close())
	return path, want
}

func samplePayload(seq uint64) []byte {
	return payload(seq, []int{16, 40, 200, 1000, 5000}[seq%5])
}

// tamper changes the file's bytes.
func tamper(t testing.TB, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	mustDo(t, err)
	mustDo(t, os.WriteFile(path, change(b), 0o600))
}

// isBeginning fails unless got is a beginning of want. Records that want's log
// had truncated may come before: an older meta page still knows them.
func isBeginning(t testing.TB, got, want []Record) {
	t.Helper()
	for len(got) > 0 && len(want) > 0 && got[0].Seq < want[0].Seq {
		if !bytes.Equal(got[0].Data, samplePayload(got[0].Seq)) {
			t.Fatalf("truncated record %d is back as %q", got[0].Seq, got[0].Data)
		}
		got = got[1:]
	}
	if len(got) > len(want) {
		t.Fatalf("%d records of %d", len(got), len(want))
	}
	for i, r := range got {
		if r.Seq != want[i].Seq || !bytes.Equal(r.Data, want[i].Data) {
			t.Fatalf("record %d is %d %q", want[i].Seq, r.Seq, r.Data)
		}
	}
}

// openDamaged opens a log that may be damaged and checks what Open promises
// then: only verified records, the damaged file kept, a log that works.
func openDamaged(t testing.TB, path string, want []Record) Recovery {
	t.Helper()
	before, err := os.ReadFile(path)
	mustDo(t, err)
	l, found, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { mustDo(t, l.Close()) }()
	got, err := l.Read(0, 1<<30)
	mustDo(t, err)
	isBeginning(t, got, want)
	if !found.Damaged() && len(got) != len(want) {
		t.Fatalf("%d records of %d, and no word of damage", len(got), len(want))
	}
	if found.Damaged() {
		kept, err := os.ReadFile(found.SetAside)
		mustDo(t, err)
		if !bytes.Equal(kept, before) || !strings.Contains(found.String(), found.SetAside) {
			t.Fatalf("the damaged file is not kept: %v", found)
		}
	}
	seq := mustAppend(t, l, []byte("goes on"))
	if r, err := l.Read(seq, 1); err != nil || string(r[0].Data) != "goes on" {
		t.Fatal(r, err)
	}
	return found
}

func TestFlippedBitsNeverGiveWrongRecords(t *testing.T) {
	path, want := sampleOf(t, 20)
	whole, err := os.ReadFile(path)
	mustDo(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	damaged := 0
	for i := range whole {
		if i%4096 >= 128 && i%16 != 0 {
			continue // every byte of the headers, a sample of the rest
		}
		bit := byte(1) << random.IntN(8)
		whole[i] ^= bit
		var got []Record
		a, err := auditBytes(bytes.NewReader(whole), int64(len(whole)), func(r Record) error {
			got = append(got, Record{Seq: r.Seq, Data: bytes.Clone(r.Data)})
			return nil
		})
		if err != nil {
			t.Fatalf("byte %d: %v", i, err)
		}
		isBeginning(t, got, want)
		switch {
		case a.damage != nil:
			damaged++
		case len(got) != len(want):
			t.Fatalf("byte %d: %d records of %d, and no word of damage", i, len(got), len(want))
		}
		whole[i] ^= bit
	}
	t.Logf("%d of %d flips met something in use", damaged, len(whole))
}

func TestFlippedBitsOpenWithAVerifiedBeginning(t *testing.T) {
	master, want := sample(t)
	whole, err := os.ReadFile(master)
	mustDo(t, err)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 60 {
		path := logPath(t)
		mustDo(t, os.WriteFile(path, whole, 0o600))
		tamper(t, path, func(b []byte) []byte {
			for range 1 + random.IntN(4) {
				b[random.IntN(len(b))] ^= 1 << random.IntN(8)
			}
			return b
		})
		openDamaged(t, path, want)
		if _, err := Verify(path, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTruncatedFileOpensWithAVerifiedBeginning(t *testing.T) {
	master, want := sample(t)
	whole, err := os.ReadFile(master)
	mustDo(t, err)
	random := rand.New(rand.NewPCG(3, 4))
	sizes := []int{0, 1, 20, 79, 80, 4095, 4096, 4176, 8192, 12288, len(whole) / 2, len(whole) - 4096, len(whole) - 1}
	for range 20 {
		sizes = append(sizes, random.IntN(len(whole)))
	}
	for _, n := range sizes {
		path := logPath(t)
		mustDo(t, os.WriteFile(path, whole[:n], 0o600))
		found := openDamaged(t, path, want)
		if n < 4096 && !found.Damaged() {
			t.Errorf("%d bytes: %v", n, found)
		}
	}
}

func TestBadRecordKeepsTheRecordsBeforeIt(t *testing.T) {
	path, want := sample(t)
	tamper(t, path, func(b []byte) []byte {
		for i := 0; ; i++ { // all copies, also those in free pages
			at := bytes.Index(b[i:], payload(50, 16))
			if at < 0 {
				return b
			}
			i += at
			b[i] ^= 1
		}
	})
	found := openDamaged(t, path, want)
	var corrupt *CorruptError
	if !errors.As(found.Damage, &corrupt) || corrupt.Seq != 50 {
		t.Fatalf("damage %v", found.Damage)
	}
	if found.First != 11 || found.Next != 50 || found.Records != 39 || !found.DroppedKnown || found.Dropped != 41 {
		t.Fatalf("%+v", found)
	}
	for _, part := range []string{"record 50", "39 verified records go on", "41 records were dropped", ".damaged-1"} {
		if !strings.Contains(found.String(), part) {
			t.Errorf("%q does not say %q", found, part)
		}
	}
}

func TestDamagedFilesAreNeverOverwritten(t *testing.T) {
	path, want := sample(t)
	for n := 1; n <= 3; n++ {
		tamper(t, path, func(b []byte) []byte { return b[:len(b)/2] })
		if found := openDamaged(t, path, want); !strings.HasSuffix(found.SetAside, ".damaged-"+string(rune('0'+n))) {
			t.Fatalf("set aside as %s", found.SetAside)
		}
		want = append(want[:min(len(want), 0)], readAll(t, path)...)
	}
}

func readAll(t testing.TB, path string) (all []Record) {
	t.Helper()
	_, err := Verify(path, func(r Record) error {
		all = append(all, Record{Seq: r.Seq, Data: bytes.Clone(r.Data)})
		return nil
	})
	mustDo(t, err)
	return all
}

func TestOneBadMetaPageIsNamedAndRepaired(t *testing.T) {
	for _, at := range []int{pageHeaderSize + 48, 4096 + pageHeaderSize + 48} { // the transaction number
		path, want := sample(t)
		tamper(t, path, func(b []byte) []byte { b[at] ^= 1; return b })
		got, found, err := Open(path, Options{})
		mustDo(t, err)
		records, err := got.Read(0, 1<<30)
		mustDo(t, err)
		mustDo(t, got.Close())
		if !found.Damaged() || !strings.Contains(found.Damage.Error(), "meta page") {
			t.Fatalf("%v", found)
		}
		isBeginning(t, records, want)
	}
}

func TestFilesOfOthersAreRefusedAndLeftAlone(t *testing.T) {
	bolt := func(path string, o *bbolt.Options) {
		db, err := bbolt.Open(path, 0o600, o)
		mustDo(t, err)
		mustDo(t, db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte("somebody else's"))
			if err != nil {
				return err
			}
			return b.Put([]byte("key"), []byte("value"))
		}))
		mustDo(t, db.Close())
	}
	for name, make := range map[string]func(path string){
		"text":                    func(path string) { mustDo(t, os.WriteFile(path, []byte("127.0.0.1 localhost\n"), 0o600)) },
		"binary":                  func(path string) { mustDo(t, os.WriteFile(path, bytes.Repeat([]byte{1, 2, 3}, 9999), 0o600)) },
		"bbolt":                   func(path string) { bolt(path, nil) },
		"bbolt without free list": func(path string) { bolt(path, &bbolt.Options{NoFreelistSync: true}) },
		"directory":               func(path string) { mustDo(t, os.Mkdir(path, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			path := logPath(t)
			make(path)
			before, _ := os.ReadFile(path)
			_, _, err := Open(path, Options{})
			if name == "directory" {
				if !errors.Is(err, syscall.EISDIR) {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), path) {
				t.Fatal(err)
			}
			if _, err := Verify(path, nil); !errors.Is(err, ErrForeign) {
				t.Fatal(err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Fatal("the file was changed")
			}
		})
	}
}

func TestUnknownFormatVersionIsNamedAndLeftAlone(t *testing.T) {
	path, _ := sample(t)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
	mustDo(t, err)
	mustDo(t, db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(headerBucket).Put(formatKey, encodeFormat(7))
	}))
	mustDo(t, db.Close())
	before, err := os.ReadFile(path)
	mustDo(t, err)
	if _, _, err := Open(path, Options{}); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "version 7") {
		t.Fatal(err)
	}
	if _, err := Inspect(path); !errors.Is(err, ErrFormat) {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Fatal("the file was changed")
	}
}

func TestLogInUseIsRefusedNamingTheProcess(t *testing.T) {
	path := logPath(t)
	l := open(t, path, Options{})
	fill(t, l, 5, 20)
	_, _, err := Open(path, Options{Lock: 50 * time.Millisecond})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "process") || !strings.Contains(err.Error(), path) {
		t.Fatal(err)
	}
	if _, err := Verify(path, nil); !errors.Is(err, ErrLocked) {
		t.Fatal(err)
	}
	if s, err := Inspect(path); err != nil || !s.InUse || s.First != 1 || s.Next != 6 || s.Bytes != l.Bytes() {
		t.Fatal(s, err)
	}
	mustDo(t, l.Close())
	open(t, path, Options{})
}

func TestOpenWaitsForTheLock(t *testing.T) {
	path := logPath(t)
	l := open(t, path, Options{})
	opened := make(chan error)
	go func() {
		second, _, err := Open(path, Options{Lock: time.Minute})
		opened <- errors.Join(err, second.Close())
	}()
	mustDo(t, l.Close())
	mustDo(t, <-opened)
}

func TestLogBehindASymbolicLinkIsReplacedWhereItIs(t *testing.T) {
	path, want := sample(t)
	link := filepath.Join(t.TempDir(), "link.db")
	mustDo(t, os.Symlink(path, link))
	tamper(t, path, func(b []byte) []byte { return b[:len(b)/2] })
	l, found, err := Open(link, Options{})
	mustDo(t, err)
	mustDo(t, l.Close())
	if !found.Damaged() || filepath.Dir(found.SetAside) != filepath.Dir(path) {
		t.Fatalf("%v", found)
	}
	isBeginning(t, readAll(t, path), want)
}

func TestUnfinishedFileIsRemovedAndNamed(t *testing.T) {
	path, want := sample(t)
	mustDo(t, os.WriteFile(newPath(path), []byte("half a log"), 0o600))
	l, found, err := Open(path, Options{})
	mustDo(t, err)
	mustDo(t, l.Close())
	if found.Unfinished != newPath(path) || !strings.Contains(found.String(), "unfinished") {
		t.Fatalf("%v", found)
	}
	isBeginning(t, readAll(t, path), want)
	if _, err := os.Stat(newPath(path)); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

func TestMissingDirectoryIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent", "inbox.db")
	if _, _, err := Open(path, Options{}); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Fatal(err)
	}
}

func TestVerifyNamesTheDamagedRecordAndInspectGoesOn(t *testing.T) {
	path, _ := sample(t)
	tamper(t, path, func(b []byte) []byte {
		return bytes.ReplaceAll(b, payload(30, 16), bytes.Repeat([]byte{'?'}, 16))
	})
	seen := 0
	_, err := Verify(path, func(Record) error { seen++; return nil })
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || corrupt.Seq != 30 || seen != 19 {
		t.Fatalf("after %d records: %v", seen, err)
	}
	s, err := Inspect(path)
	if err != nil || !errors.As(s.Damage, &corrupt) || s.First != 11 || s.Next != 91 {
		t.Fatalf("%+v, %v", s, err)
	}
}

func TestVerifyStopsAtTheVisitorsError(t *testing.T) {
	path, _ := sample(t)
	if _, err := Verify(path, func(Record) error { return io.ErrShortWrite }); !errors.Is(err, io.ErrShortWrite) {
		t.Fatal(err)
	}
}

func TestVerifyChangesNothing(t *testing.T) {
	path, want := sample(t)
	before, err := os.ReadFile(path)
	mustDo(t, err)
	isBeginning(t, readAll(t, path), want)
	s, err := Inspect(path)
	mustDo(t, err)
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Fatal("the file was changed")
	}
	if s.Records != uint64(len(want)) || s.FileBytes != int64(len(before)) || s.Pages == 0 || s.FreePages < 0 || s.InUse {
		t.Fatalf("%+v", s)
	}
}

// frozen is the log that testdata keeps of each format version.
var frozen = []Record{
	{Seq: 3, Data: []byte("three")},
	{Seq: 4, Data: []byte{}},
	{Seq: 5, Data: bytes.Repeat([]byte("five "), 2000)},
	{Seq: 6, Data: []byte{0, 1, 2, 0xfe, 0xff}},
}

func TestFrozenFormatsAreRead(t *testing.T) {
	for version := range FormatVersion {
		t.Run(fmt.Sprint(version+1), func(t *testing.T) { isReadAndGoesOn(t, version+1) })
	}
}

func isReadAndGoesOn(t *testing.T, version int) {
	whole, err := os.ReadFile(filepath.Join("..", "testdata", "wal", fmt.Sprintf("v%d.db", version)))
	mustDo(t, err)
	path := logPath(t)
	mustDo(t, os.WriteFile(path, whole, 0o600))
	same := func(got []Record) {
		t.Helper()
		isBeginning(t, got, frozen)
		if len(got) != len(frozen) {
			t.Fatalf("%d records of %d", len(got), len(frozen))
		}
	}
	same(readAll(t, path))
	if s, err := Inspect(path); err != nil || s.Format != version {
		t.Fatalf("format %d, %v", s.Format, err)
	}
	l := open(t, path, Options{})
	got, err := l.Read(0, 1<<20)
	mustDo(t, err)
	same(got)
	if seq := mustAppend(t, l, []byte("seven")); seq != 7 {
		t.Fatalf("next was %d", seq)
	}
	mustDo(t, l.Close())
	if s, err := Inspect(path); err != nil || s.Format != FormatVersion || s.Records != uint64(len(frozen))+1 {
		t.Fatalf("%+v, %v", s, err)
	}
}

// child runs the test binary again as the named child process.
func child(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	mustDo(t, err)
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), childVariable+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

const childVariable = "WAL_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVariable) {
	case "append":
		childAppends(os.Args[1])
	case "create":
		childCreates(os.Args[1])
	case "space":
		childFillsSpace(os.Args[1])
	default:
		os.Exit(m.Run())
	}
}

func TestFileCutShortUnderAnOpenLogIsAnErrorAndRepairedByOpen(t *testing.T) {
	path, want := sample(t)
	l, _, err := Open(path, Options{})
	mustDo(t, err)
	mustDo(t, os.Truncate(path, 3*4096))
	var corrupt *CorruptError
	if _, err := l.Read(0, 1<<30); !errors.As(err, &corrupt) {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := l.Append(t.Context(), []byte("x")); !errors.Is(err, ErrFailed) {
			t.Fatal(err)
		}
	}
	if err := l.Reset(); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	mustDo(t, l.Close())
	openDamaged(t, path, want)
}

func TestInspectOfABusyLogTellsOneCommit(t *testing.T) {
	path := logPath(t)
	l := open(t, path, Options{})
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := l.Append(t.Context(), payload(1, 100), payload(1, 100)); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	for range 200 {
		s, err := Inspect(path)
		if err != nil || !s.InUse || s.Damage != nil || s.First != 1 || s.Next%2 != 1 || s.Bytes != int64(s.Records)*recordSize(100) {
			t.Errorf("%+v, %v", s, err)
			break
		}
	}
	close(stop)
	<-done
}
