package wal

import (
	"fmt"
	"log/slog"
	"time"
)

// Options are the bounds of a log. The zero value is ready to use.
type Options struct {
	// MaxBytes bounds the live records, Overhead included. Default 64 MiB.
	MaxBytes int64
	// MaxFileBytes is the file size from which the file is rewritten once
	// three quarters of it are free. Default twice MaxBytes, at least 128 KiB.
	MaxFileBytes int64
	// Lock is how long Open waits for another process to let go of the log.
	// Default one second.
	Lock time.Duration
	// Log hears of upkeep that failed without harm and will be tried again.
	// Default: nobody.
	Log *slog.Logger
}

const (
	defaultMaxBytes = 64 << 20
	defaultLock     = time.Second
	minFileBytes    = 128 << 10

	// growStep is how much bbolt grows the file at once beyond small sizes.
	// Each growth costs a sync; each step left unused costs disk.
	growStep = 1 << 20
	// maxCommitBytes bounds what one commit takes along, and so the memory of
	// the committer. A larger single Append is still one commit.
	maxCommitBytes = 4 << 20
	// maxTrimRecords bounds the removals one commit does on the side.
	maxTrimRecords = 8192
)

func (o Options) withDefaults() (Options, error) {
	if o.MaxBytes < 0 || o.MaxFileBytes < 0 || o.Lock < 0 {
		return o, fmt.Errorf("wal options: MaxBytes %d, MaxFileBytes %d and Lock %v must not be negative",
			o.MaxBytes, o.MaxFileBytes, o.Lock)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.MaxFileBytes == 0 {
		o.MaxFileBytes = 2 * o.MaxBytes
	}
	o.MaxFileBytes = max(o.MaxFileBytes, minFileBytes)
	if o.Lock == 0 {
		o.Lock = defaultLock
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// trimBytes and trimRecords say how much truncated data may wait on disk for an
// append to remove it in passing.
func (o Options) trimBytes() int64 { return min(o.MaxBytes/8, 4<<20) }

const trimRecords = 1024
