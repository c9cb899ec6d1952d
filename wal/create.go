package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"github.com/syncer-io/syncer/replicator/failpoint"
)

func newPath(path string) string { return path + ".new" }

// openBolt opens a file that is known to be sound, or makes it. The file is
// called path in errors, for that is its name as soon as it is in use. The free
// list is kept in
// memory only: writing it out with every commit is the larger part of a small
// commit, and reading the tree at Open is done anyway.
func openBolt(path, file string, o Options) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		OpenFile: func(_ string, flag int, mode os.FileMode) (*os.File, error) {
			fd, err := unix.Open(file, flag|unix.O_CLOEXEC, uint32(mode))
			if err != nil {
				return nil, &os.PathError{Op: "open", Path: file, Err: err}
			}
			return os.NewFile(uintptr(fd), path), nil
		},
		Timeout:        o.Lock,
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("%w (a lock on the file itself)", ErrLocked)
	}
	if err != nil {
		return nil, StorageError(err)
	}
	db.AllocSize = growStep
	return db, nil
}

// build makes a complete, synced log under the temporary name and leaves it
// open. The caller publishes it, or closes and removes it.
func build(path string, o Options, s state, fill func(*bbolt.DB) error) (_ *bbolt.DB, err error) {
	db, err := openBolt(path, newPath(path), o)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", newPath(path), err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("make %s: %w", newPath(path), StorageError(err)), discard(db, path))
		}
	}()
	db.NoSync = true // one sync at the end instead
	if err := db.Update(func(tx *bbolt.Tx) error { return initialise(tx, s) }); err != nil {
		return nil, err
	}
	if fill != nil {
		if err := fill(db); err != nil {
			return nil, err
		}
	}
	if err := db.Sync(); err != nil {
		return nil, err
	}
	db.NoSync = false
	return db, nil
}

func discard(db *bbolt.DB, path string) error {
	return errors.Join(db.Close(), os.Remove(newPath(path)))
}

// publish renames the finished file over path. The name is durable only after
// syncDir.
func publish(path string) error {
	failpoint.Hit(failpoint.WalRenameBefore)
	if err := os.Rename(newPath(path), path); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	failpoint.Hit(failpoint.WalRenameAfter)
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := dir.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync directory: %w", err), dir.Close())
	}
	failpoint.Hit(failpoint.WalNameSynced)
	return dir.Close()
}

// copier appends records to a database in transactions of a bounded size.
type copier struct {
	db      *bbolt.DB
	pending []Record
	bytes   int64
}

func (c *copier) add(r Record) error {
	c.pending = append(c.pending, Record{Seq: r.Seq, Data: append([]byte(nil), r.Data...)})
	c.bytes += recordSize(len(r.Data))
	if c.bytes < maxCommitBytes {
		return nil
	}
	return c.flush()
}

func (c *copier) flush() error {
	err := c.db.Update(func(tx *bbolt.Tx) error {
		b := records(tx)
		for _, r := range c.pending {
			if err := putRecord(b, r.Seq, appendRecord(nil, r.Seq, r.Data)); err != nil {
				return fmt.Errorf("copy: %w", err)
			}
		}
		return nil
	})
	c.pending, c.bytes = c.pending[:0], 0
	return err
}
