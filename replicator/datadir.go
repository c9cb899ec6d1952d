package replicator

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
)

// DataDir is a daemon's data directory, held by one process at a time.
type DataDir struct {
	Path string
	lock *os.File
}

// OpenDataDir makes the directory if it is not there and locks it.
func OpenDataDir(path string) (*DataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, dirError(path, err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, dirError(path, err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		err = errors.Join(err, lock.Close())
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fault.New(fault.General, "stop the other daemon, or give this one a dataDir of its own",
				"data directory %s is in use by another syncer process", path)
		}
		return nil, dirError(path, err)
	}
	return &DataDir{Path: path, lock: lock}, nil
}

func dirError(path string, err error) error {
	try := "check that the directory can be made and written by this user"
	if errors.Is(err, unix.ENOSPC) {
		try = "free space on its disk"
	}
	return fault.New(fault.General, try, "data directory %s: %w", path, err)
}

// Instance is a random name that stays with the directory. It is made on first
// use.
func (d *DataDir) Instance() (string, error) {
	path := filepath.Join(d.Path, "instance")
	raw, err := os.ReadFile(path)
	if name := strings.TrimSpace(string(raw)); err == nil && name != "" {
		return name, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", dirError(d.Path, err)
	}
	name := NewInstance()
	if err := os.WriteFile(path+".new", []byte(name+"\n"), 0o600); err != nil {
		return "", dirError(d.Path, err)
	}
	failpoint.Hit(failpoint.InstanceBefore)
	if err := os.Rename(path+".new", path); err != nil {
		return "", dirError(d.Path, err)
	}
	failpoint.Hit(failpoint.InstanceAfter)
	return name, nil
}

// NewInstance is a name that no other process has, with the host in it for
// people.
func NewInstance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%s", host, strings.ToLower(rand.Text()[:10]))
}

// Close unlocks the directory.
func (d *DataDir) Close() error { return d.lock.Close() }
