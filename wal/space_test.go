package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// childFillsSpace meets a file size limit, the one full disk that needs no
// rights: once where bbolt grows the file, once where it writes pages.
func childFillsSpace(path string) {
	signal.Ignore(syscall.SIGXFSZ)
	l, _, err := Open(path, Options{})
	die(err)
	_, err = l.Append(context.Background(), payload(1, 1000))
	die(err)
	info, err := os.Stat(path)
	die(err)
	die(refused(l, uint64(info.Size()), payload(2, 1<<20)))
	die(refused(l, 3*4096, payload(3, 100)))
	die(l.Close())
}

// refused expects the append to fail for want of space below the limit, and to
// succeed without it.
func refused(l *Log, limit uint64, data []byte) error {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	lowered := before
	lowered.Cur = limit
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &lowered); err != nil {
		return err
	}
	next := l.Next()
	for range 3 {
		_, err := l.Append(context.Background(), data)
		if !errors.Is(err, ErrNoSpace) || !errors.Is(err, syscall.EFBIG) {
			return fmt.Errorf("with limit %d: %w", limit, err)
		}
	}
	if got, err := l.Read(0, 1<<30); err != nil || l.Next() != next || len(got) != int(next-1) {
		return fmt.Errorf("with limit %d: next %d, %d records: %w", limit, l.Next(), len(got), err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	if last, err := l.Append(context.Background(), data); err != nil || last != next {
		return fmt.Errorf("without limit: record %d: %w", last, err)
	}
	return nil
}

func TestAppendWithoutSpaceFailsAndCanBeTriedAgain(t *testing.T) {
	path := logPath(t)
	if out, err := child(t, "space", path).Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := readAll(t, path)
	for i, size := range []int{1000, 1 << 20, 100} {
		if !bytes.Equal(got[i].Data, payload(uint64(i+1), size)) {
			t.Errorf("record %d differs", i+1)
		}
	}
}

func TestCodesThatBboltTurnedIntoTextAreFoundAgain(t *testing.T) {
	for _, code := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		for _, err := range []error{
			&os.PathError{Op: "write", Path: "x", Err: code},
			fmt.Errorf("file resize error: %s", &os.PathError{Op: "truncate", Path: "x", Err: code}),
		} {
			if got := StorageError(err); !errors.Is(got, code) || !errors.Is(got, ErrNoSpace) {
				t.Errorf("%v", got)
			}
		}
	}
	if err := StorageError(syscall.EIO); errors.Is(err, ErrNoSpace) {
		t.Error(err)
	}
}
