package digest_test

import (
	"fmt"
	"testing"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
)

func BenchmarkItem1KiB(b *testing.B) {
	key, value := []byte("/flags/region-01/service-000001"), make([]byte, 1024)
	b.SetBytes(int64(len(key) + len(value)))
	b.ReportAllocs()
	for b.Loop() {
		digest.Item(key, value)
	}
}

func BenchmarkTablePut(b *testing.B) {
	table, value := digest.NewTable(), make([]byte, 1024)
	keys := make([][]byte, 10_000)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "/flags/region-01/service-%06d", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		table.Put(keys[i%len(keys)], value)
	}
}

// From items whose hashes are known to a page that is ready to be sent.
func BenchmarkPage100000(b *testing.B) {
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		body, err := change.Compress(change.EncodePage(page100000()))
		if err != nil {
			b.Fatal(err)
		}
		size = len(body)
	}
	b.ReportMetric(float64(size), "page-B")
}
