package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// uncache has the system read a binary from the disk when it is started next, as
// after a boot: of a file that was written just now it maps larger pieces, which
// count as memory of the process.
func uncache(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read a binary: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write a binary to the disk: %w", err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return fmt.Errorf("drop a binary from the cache: %w", err)
	}
	return nil
}
