package wal

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lockRetry is the pause between attempts to take a lock; flock cannot wait
// with a limit.
const lockRetry = 20 * time.Millisecond

// The lock is on a file of its own, not on the log: the log is replaced by
// renaming, and a lock on a replaced file locks nothing. bbolt's lock on the
// log itself is taken too, which keeps other bbolt programs out.
func lockPath(path string) string { return path + ".lock" }

// lockExclusive takes the lock, waiting up to wait. Closing the file lets go.
func lockExclusive(path string, wait time.Duration) (*os.File, error) {
	f, err := os.OpenFile(lockPath(path), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := flock(f, unix.LOCK_EX, wait); err != nil {
		return nil, errors.Join(fmt.Errorf("%w%s", err, holder(f)), f.Close())
	}
	if err := writeHolder(f); err != nil {
		return nil, errors.Join(fmt.Errorf("write lock: %w", err), f.Close())
	}
	return f, nil
}

// lockShared takes the lock for reading, without waiting. A log without a lock
// file is in nobody's hands: then the file is nil.
func lockShared(path string) (*os.File, error) {
	f, err := os.Open(lockPath(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := flock(f, unix.LOCK_SH, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("%w%s", err, holder(f)), f.Close())
	}
	return f, nil
}

func flock(f *os.File, how int, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("lock: %w", err)
		case !time.Now().Before(deadline):
			return ErrLocked
		}
		<-time.After(min(lockRetry, time.Until(deadline))) // flock tells nobody when it comes free
	}
}

// writeHolder leaves the process id for the message of whoever is refused. On a
// full disk the lock holds without it.
func writeHolder(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return nil
	}
	return err
}

func holder(f *os.File) string {
	b := make([]byte, 32)
	n, _ := f.ReadAt(b, 0) // a short file is the normal case; an unreadable one names nobody
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}
