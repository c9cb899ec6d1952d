package hub

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/syncer-io/syncer/replicator/fault"
)

// minFree is the disk space below which a hub does not start: enough for the
// registry and one block of a stream.
const minFree = 64 << 20

// directory is the data directory while it is held.
type directory struct {
	path string
	lock *os.File
}

// openDirectory creates the directory when missing, takes it for this hub, and
// proves that it can be written.
func openDirectory(path string, free func(string) (uint64, error)) (*directory, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, directoryError(path, err)
	}
	lock, err := takeLock(filepath.Join(path, "LOCK"))
	if err != nil {
		return nil, directoryError(path, err)
	}
	d := &directory{path: path, lock: lock}
	if err := d.check(free); err != nil {
		return nil, errors.Join(directoryError(path, err), d.close())
	}
	return d, nil
}

var errInUse = errors.New("another hub runs on it")

// takeLock locks the file for as long as it is open. The lock dies with the
// process, so a killed hub never blocks the next.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%w%s", errInUse, holder(path))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// holder names the process that wrote the lock file.
func holder(path string) string {
	b, err := os.ReadFile(path)
	if pid := strings.TrimSpace(string(b)); err == nil && pid != "" {
		return " (process " + pid + ")"
	}
	return ""
}

// check writes to the disk once, synced, as the server is about to. It may be
// repeated.
func (d *directory) check(free func(string) (uint64, error)) error {
	have, err := free(d.path)
	if err != nil {
		return err
	}
	if have < minFree {
		return fmt.Errorf("%w: %d MiB are free and at least %d are needed", unix.ENOSPC, have>>20, minFree>>20)
	}
	if err := d.lock.Truncate(0); err != nil {
		return err
	}
	if _, err := d.lock.WriteAt(fmt.Appendln(nil, os.Getpid()), 0); err != nil {
		return err
	}
	if err := d.lock.Sync(); err != nil {
		return err
	}
	return readable(filepath.Join(d.path, "jetstream"))
}

// readable fails when a store exists and cannot be read; the server would
// start empty or half.
func readable(dir string) error {
	return filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return f.Close()
	})
}

// close lets the next hub in. The file stays: removing it would let two in.
func (d *directory) close() error { return d.lock.Close() }

func directoryError(path string, err error) error {
	class, try := fault.General, "give the hub a directory on a working disk"
	switch {
	case errors.Is(err, errInUse):
		class, try = fault.Safety, "stop the other hub, or give this one a --data-dir of its own"
	case errors.Is(err, os.ErrPermission):
		try = "run the hub as the user that owns the directory, or: chown -R that user " + path
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		try = "free disk space, or lower the hub's size limit and move the directory to a larger disk"
	case errors.Is(err, unix.EROFS):
		try = "the file system is mounted read-only: mount it for writing"
	case errors.Is(err, syscall.ENOTDIR):
		try = "there is a file in the way: give another --data-dir"
	}
	return fault.New(class, try, "the hub's data directory %s: %w", path, err)
}

func freeBytes(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("ask for the free space: %w", err)
	}
	return s.Bavail * uint64(s.Bsize), nil
}
