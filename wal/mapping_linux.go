package wal

import (
	"fmt"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// releaseMapping lets the system take back the mapped pages of the file. They
// are mapped again when they are next read. The address is only passed on, never
// followed.
func releaseMapping(tx *bbolt.Tx) error {
	_, _, errno := unix.Syscall(unix.SYS_MADVISE, tx.DB().Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED)
	if errno != 0 {
		return fmt.Errorf("release mapped pages: %w", errno)
	}
	return nil
}
