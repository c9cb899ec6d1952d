// Package wal is an append-only log of byte records in one bbolt file. It
// gives every record a sequence number and knows nothing about what the bytes
// mean.
//
// # Use
//
//	l, found, err := wal.Open(path, wal.Options{})  // found says what was there
//	last, err := l.Append(ctx, a, b)                // on disk when it returns
//	records, err := l.Read(l.First(), 1<<20)        // copies, checksums checked
//	err = l.TruncateBelow(last + 1)                 // records below are gone
//	err = l.Close()
//
// Sequence numbers start at 1, grow by one per record and are not given out
// twice while the file lives, also across TruncateBelow, Reset and re-opening.
// (The one exception: when damage cuts off the end of the log, the numbers of
// the lost records are given out again. See Recovery.)
//
// # What is durable when a call returns
//
//   - Open: an empty or repaired file, its name in the directory included.
//   - Append: all records of the call, or, with an error, none that a reader of
//     this Log can see. After a crash during an Append all of its records are
//     there or none is.
//   - Reset: the emptiness, and the sequence number that comes next.
//   - TruncateBelow: nothing. Readers of this Log stop seeing the records at
//     once; the removal reaches the disk with a later Append, by itself when
//     enough waits, or with Close. After a crash truncated records may be back,
//     so a caller must be able to recognise and drop what it has handled. They
//     come back as a contiguous piece that ends where the surviving records
//     begin, never with holes.
//   - Close: every accepted Append, and the truncations that waited.
//
// # Group commit
//
// One goroutine, the committer, owns all writing. It starts a commit as soon as
// the previous one has ended and anything waits, and takes along everything
// that waits by then (up to a few MiB). There is no timer: a lone appender pays
// exactly one commit, many appenders share one.
//
// # Bounds
//
// Options.MaxBytes bounds the live records. A full log blocks Append until a
// truncation makes room or the caller's context ends. Sizes count the payload
// plus Overhead bytes per record, so that many tiny records are bounded too.
//
// A bbolt file never shrinks: pages that are freed are used again, but the file
// stays as large as it once was. When it is larger than Options.MaxFileBytes
// and at least three quarters of it are free, the committer copies the live
// records into a fresh file and renames it over the old one. The file is
// therefore at most about the larger of MaxFileBytes and four times the live
// bytes.
//
// # Recovery
//
// bbolt checks its two meta pages, but no other page, and a damaged file can
// end the whole process with a memory fault. So a file is read and verified
// with plain reads before bbolt maps it: the tree, the order and range of the
// keys, the density of the sequence, the checksum of every record. Anything
// amiss, and the file is moved aside to "<path>.damaged-<n>", the verified
// beginning of the log is copied to a fresh file, and Recovery says so. No
// damaged file is deleted. A file that is healthy but not a log, or of a format
// this program does not know, is refused and left alone.
//
// # Format, version 2
//
// A bbolt database (its own format 2) without a stored free list, with two
// buckets. All numbers are big-endian; a checksum is CRC-32C (Castagnoli).
//
//	bucket "syncer.wal"
//	  "format"   version u32 | checksum u32 over "format" | version
//	  "state"    first u64 | next u64 | bytes u64 | checksum u32 over "state" | the numbers
//	bucket "records"
//	  seq u64              the first piece of: checksum u32 over seq | payload, payload
//	  seq u64 | piece u32  the second (1), the third (2), ...
//
// The records are exactly those with first <= seq < next; bytes is the sum of
// their sizes, Overhead included. Pieces of up to 2,012 bytes keep a commit from
// writing records again that are there already. Version 1 has no further pieces,
// whatever a record's size; a file of it is copied when it is opened.
//
// # Files
//
// "<path>" is the log, "<path>.lock" carries the lock of the process that has
// it open (and its process id), "<path>.new" exists only while a file is being
// made and is removed at the next Open.
package wal
