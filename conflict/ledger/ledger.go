package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/syncer-io/syncer/replicator/failpoint"
)

// Options are the bounds of a ledger. Zero values stand for the defaults.
type Options struct {
	MaxRecords int   // default 10,000
	MaxBytes   int64 // of all records as they are stored; default 32 MiB
	MaxValue   int   // of the bytes kept of one value; default 64 KiB
}

func (o Options) withDefaults() Options {
	if o.MaxRecords <= 0 {
		o.MaxRecords = 10_000
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 32 << 20
	}
	if o.MaxValue <= 0 {
		o.MaxValue = 64 << 10
	}
	return o
}

// ErrNotFound says that there is no such record, or not any more.
var ErrNotFound = errors.New("no such record")

// ErrClosed is what a closed ledger says.
var ErrClosed = errors.New("the ledger is closed")

// Ledger is an open ledger. All its methods may run at once.
type Ledger struct {
	path string
	opts Options

	mu    sync.RWMutex // for writing: db is being replaced, or written
	db    *bbolt.DB    // nil once closed
	aside []string
}

// Open opens the ledger at path, making it when there is none; its directory
// must exist. A file that is damaged, or of a format that this version does not
// know, is set aside under another name, see Aside, and an empty one is made:
// what is recorded never stops what is replicated. An error is about the disk,
// its permissions, or a lock that another process has.
func Open(path string, o Options) (*Ledger, error) {
	l := &Ledger{path: path, opts: o.withDefaults()}
	db, err := openFile(path)
	if damage := (*damagedError)(nil); errors.As(err, &damage) {
		if err := l.setAside(); err != nil {
			return nil, err
		}
		db, err = openFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the conflict ledger %s: %w", path, err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	failpoint.Hit(failpoint.LedgerOpened)
	l.db = db
	return l, nil
}

// Close lets go of the file.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	db := l.db
	if l.db = nil; db == nil {
		return nil
	}
	if err := db.Close(); err != nil {
		return fmt.Errorf("close the conflict ledger %s: %w", l.path, err)
	}
	return nil
}

// Aside are the names of damaged files that were set aside since Open began,
// oldest first.
func (l *Ledger) Aside() []string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return append([]string(nil), l.aside...)
}

// openFile opens and checks a file. A *damagedError is about what is in it.
func openFile(path string) (db *bbolt.DB, err error) {
	damage := guarded(func() error {
		// The list of free pages is stored: finding them by reading the tree
		// would end the process where the tree is damaged.
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
		return nil
	})
	switch {
	case damage != nil:
		return nil, damage
	case err != nil && ofDisk(err):
		return nil, err
	case err != nil:
		return nil, &damagedError{err} // bbolt says it in words of its own
	}
	if err := prepare(db); err != nil {
		if damage := (*damagedError)(nil); errors.As(err, &damage) {
			return nil, err // what a panic left behind may be closed to nobody
		}
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// ofDisk reports whether an error is about the disk, permissions or a lock.
func ofDisk(err error) bool {
	var number syscall.Errno
	return errors.As(err, &number) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, berrors.ErrTimeout)
}

// setAside gives the damaged file a name that no other has.
func (l *Ledger) setAside() error {
	for n := 1; ; n++ {
		aside := fmt.Sprintf("%s.damaged-%d", l.path, n)
		if _, err := os.Lstat(aside); err == nil {
			continue
		}
		failpoint.Hit(failpoint.LedgerAsideBefore)
		if err := os.Rename(l.path, aside); err != nil {
			return fmt.Errorf("set the damaged conflict ledger aside: %w", err)
		}
		failpoint.Hit(failpoint.LedgerAsideAfter)
		l.aside = append(l.aside, aside)
		return syncDir(filepath.Dir(l.path))
	}
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync the directory of the conflict ledger: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("sync the directory of the conflict ledger: %w", err)
	}
	return nil
}
