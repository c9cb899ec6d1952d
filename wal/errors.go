package wal

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// Errors of a Log. They are wrapped with the path; test with errors.Is.
var (
	// ErrClosed: the Log was closed before the call could be accepted.
	ErrClosed = errors.New("log is closed")
	// ErrLocked: another process has the log open.
	ErrLocked = errors.New("log is in use by another process")
	// ErrTooLarge: the records of one Append can never fit in MaxBytes.
	ErrTooLarge = errors.New("records are larger than the log may ever hold")
	// ErrNoSpace: disk, quota or file size limit is reached. Nothing was
	// appended; the Log stays usable and the same Append can be tried again.
	// The error also satisfies errors.Is for the system's own code.
	ErrNoSpace = errors.New("no space for the log")
	// ErrForeign: the file is not a log. It is left as it is.
	ErrForeign = errors.New("file is not a syncer log")
	// ErrFormat: the log was written in a format this program does not know.
	// It is left as it is.
	ErrFormat = errors.New("unknown log format version")
	// ErrFailed: a write ended in a way that leaves the open file in doubt.
	// Close the Log and open it again; Open finds out what is there.
	ErrFailed = errors.New("log must be opened again")
)

// CorruptError says that what the file holds is not what was written. Seq is
// the record at fault, or 0 when the damage is not in one record.
type CorruptError struct {
	Seq    uint64
	Reason string
}

func (e *CorruptError) Error() string {
	if e.Seq == 0 {
		return "log is damaged: " + e.Reason
	}
	return fmt.Sprintf("log is damaged at record %d: %s", e.Seq, e.Reason)
}

// StorageError gives a failed commit of bbolt its ErrNoSpace and its system code. bbolt
// formats some causes into text (growing the file), so the code is found again
// by its message.
func StorageError(err error) error {
	for _, code := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, code) {
			return fmt.Errorf("%w: %w", ErrNoSpace, err)
		}
		if strings.HasSuffix(err.Error(), ": "+code.Error()) {
			return fmt.Errorf("%w: %w (%w)", ErrNoSpace, err, code)
		}
	}
	return err
}
