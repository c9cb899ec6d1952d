package source

import (
	"bytes"
	"fmt"
	"testing"
)

func FuzzListing(f *testing.F) {
	f.Add([]byte("a/1 a/2 b"), int64(1))
	f.Add([]byte("  "), int64(1)<<62)
	f.Add(bytes.Repeat([]byte("registry/pods/default/web-0 registry/pods/default/web-1 "), 3000), int64(9))
	f.Add(bytes.Repeat([]byte("x"), 3*listingBlock), int64(0))
	f.Fuzz(func(t *testing.T, text []byte, revision int64) {
		keys := bytes.Split(text, []byte(" "))
		revision &= 1<<62 - 1
		l := &listing{}
		for i, k := range keys {
			l.add(k, revision+int64(i))
		}
		n := 0
		err := l.each(func(items []Item) error {
			for _, it := range items {
				if !bytes.Equal(it.Key, keys[n]) || it.ModRevision != revision+int64(n) || it.Value != nil {
					return fmt.Errorf("item %d is %q at %d, want %q at %d", n, it.Key, it.ModRevision, keys[n], revision+int64(n))
				}
				n++
			}
			return nil
		})
		if err != nil || n != len(keys) {
			t.Fatalf("%d of %d keys: %v", n, len(keys), err)
		}
	})
}

func TestListingIsCompact(t *testing.T) {
	l := &listing{}
	const n = 100_000
	for i := range n {
		l.add(fmt.Appendf(nil, "/registry/pods/namespace-%03d/deployment-%05d-abcde", i/500, i), int64(1_000_000+i))
	}
	held := 0
	for _, b := range l.blocks {
		held += cap(b)
	}
	t.Logf("%d bytes per key", held/n)
	if held/n > 40 {
		t.Errorf("%d bytes per key", held/n)
	}
}
