package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/syncer-io/syncer/replicator/fault"
)

// dataDir checks a daemon's data directory without making or changing it.
func (d *doctor) dataDir(path string) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.missingDir(path)
		return
	case err == nil && !info.IsDir():
		d.fail(fault.New(fault.General, "name a directory as dataDir", "%s is not a directory", path))
		return
	case err != nil:
		d.fail(fault.New(fault.General, "check its permissions", "look at %s: %w", path, err))
		return
	}
	if err := unix.Access(path, unix.W_OK|unix.X_OK); err != nil {
		d.fail(fault.New(fault.General, "run syncer as the user that owns it, or: chown", "%s cannot be written: %w", path, err))
		return
	}
	d.ok("%s can be written%s", path, free(path))
	d.lock(filepath.Join(path, "lock"))
}

// missingDir is no fault if the daemon can make the directory.
func (d *doctor) missingDir(path string) {
	parent := filepath.Dir(path)
	for {
		_, err := os.Stat(parent)
		if err == nil || parent == filepath.Dir(parent) {
			break
		}
		parent = filepath.Dir(parent)
	}
	if err := unix.Access(parent, unix.W_OK|unix.X_OK); err != nil {
		d.fail(fault.New(fault.General, "make it for the user that runs syncer", "%s does not exist, and %s cannot be written: %w", path, parent, err))
		return
	}
	d.ok("%s does not exist yet: the daemon makes it%s", path, free(parent))
}

// lock tells whether a daemon holds the directory, which is no fault.
func (d *doctor) lock(path string) {
	f, err := os.Open(path)
	if err != nil {
		d.ok("no daemon uses it")
		return
	}
	defer func() { _ = f.Close() }() // which also unlocks
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		d.ok("a daemon is running on it")
		return
	}
	d.ok("no daemon uses it")
}

func free(path string) string {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return ""
	}
	return ", " + size(int64(s.Bavail*uint64(s.Bsize))) + " free"
}
