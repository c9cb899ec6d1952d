package wal

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"
)

const benchSize = 1 << 10

// BenchmarkAppend appends 1 KiB records from 1 and 64 goroutines, with a reader
// that truncates; BenchmarkBbolt is one bbolt transaction per record for
// comparison.
func BenchmarkAppend(b *testing.B) {
	for _, appenders := range []int{1, 64} {
		b.Run(fmt.Sprintf("appenders=%d", appenders), func(b *testing.B) {
			l := open(b, logPath(b), Options{})
			data := make([]byte, benchSize)
			b.SetBytes(benchSize)
			b.ResetTimer()
			before := commits(b, l)
			inParallel(b, appenders, func() {
				last, err := l.Append(context.Background(), data)
				if err != nil {
					b.Error(err)
				} else if last%1000 == 0 {
					if err := l.TruncateBelow(last - 500); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/float64(max(1, commits(b, l)-before)), "records/commit")
		})
	}
}

func BenchmarkBbolt(b *testing.B) {
	for _, appenders := range []int{1, 64} {
		b.Run(fmt.Sprintf("appenders=%d", appenders), func(b *testing.B) {
			db, err := bbolt.Open(logPath(b), 0o600, nil)
			mustDo(b, err)
			b.Cleanup(func() { mustDo(b, db.Close()) })
			mustDo(b, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket(recordsBucket); return err }))
			data := make([]byte, benchSize)
			b.SetBytes(benchSize)
			b.ResetTimer()
			inParallel(b, appenders, func() {
				if err := db.Update(func(tx *bbolt.Tx) error {
					bucket := tx.Bucket(recordsBucket)
					seq, err := bucket.NextSequence()
					if err != nil {
						return err
					}
					return bucket.Put(recordKey(seq), data)
				}); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

func BenchmarkRead(b *testing.B) {
	l := open(b, logPath(b), Options{})
	for range 20 {
		fill(b, l, 1000, benchSize)
	}
	b.SetBytes(1 << 20)
	for i := range b.N {
		if _, err := l.Read(uint64(i%18)*1000+1, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}

func inParallel(b *testing.B, n int, do func()) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				do()
			}
		})
	}
	all.Wait()
}
