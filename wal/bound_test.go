package wal

import (
	"os"
	"testing"
)

func fileSize(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	mustDo(t, err)
	return info.Size()
}

func TestFileStaysBoundedOverManyCycles(t *testing.T) {
	const size = 4000
	path := logPath(t)
	o := Options{MaxBytes: 256 << 10, MaxFileBytes: 512 << 10}
	l := open(t, path, o)
	var largest int64
	for cycle := range 300 {
		fill(t, l, 1+cycle*7%60, size)
		mustDo(t, l.TruncateBelow(l.Next()-uint64(cycle%5)))
		largest = max(largest, fileSize(t, path))
	}
	if limit := max(o.MaxFileBytes, 4*o.MaxBytes) + growStep; largest > limit {
		t.Fatalf("the file grew to %d, the limit is %d", largest, limit)
	}
}

func TestFileShrinksOnceABacklogIsGone(t *testing.T) {
	const size = 10000
	path := logPath(t)
	l := open(t, path, Options{MaxBytes: 16 << 20, MaxFileBytes: 1 << 20})
	fill(t, l, 1000, size)
	if n := fileSize(t, path); n < 10<<20 {
		t.Fatalf("only %d bytes", n)
	}
	mustDo(t, l.TruncateBelow(996))
	until(l, func() bool { return l.disk.first == 996 })
	fill(t, l, 1, size)
	fill(t, l, 1, size)
	if n := fileSize(t, path); n > 1<<20 {
		t.Fatalf("still %d bytes", n)
	}
	expect(t, l, 996, 1002, size)
	mustDo(t, l.Close())
	expect(t, open(t, path, Options{}), 996, 1002, size)
}

func TestRewriteThatFailsLeavesTheLogAsItWas(t *testing.T) {
	const size = 10000
	path := logPath(t)
	l := open(t, path, Options{MaxFileBytes: 1 << 20})
	fill(t, l, 300, size)
	mustDo(t, os.Mkdir(newPath(path), 0o700)) // in the way of the temporary file
	mustDo(t, os.WriteFile(newPath(path)+"/x", nil, 0o600))
	mustDo(t, l.TruncateBelow(296))
	for range 5 {
		fill(t, l, 1, size)
	}
	if n := fileSize(t, path); n < 2<<20 {
		t.Fatalf("%d bytes", n)
	}
	expect(t, l, 296, 305, size)
	mustDo(t, os.RemoveAll(newPath(path)))
	for range rewriteRetry + 1 {
		fill(t, l, 1, 20)
	}
	if n := fileSize(t, path); n > 1<<20 {
		t.Fatalf("still %d bytes", n)
	}
}

func TestEveryWayToMakeAFileEndsWithSyncedCommits(t *testing.T) {
	created := open(t, logPath(t), Options{MaxFileBytes: 1 << 20})
	if created.db.NoSync {
		t.Error("created file does not sync")
	}
	fill(t, created, 300, 10000)
	before := created.db
	mustDo(t, created.TruncateBelow(300))
	fill(t, created, 1, 20)
	fill(t, created, 1, 20) // the rewrite is done before the next commit
	if created.db == before || created.db.NoSync {
		t.Errorf("rewritten file: rewritten %v, does not sync %v", created.db != before, created.db.NoSync)
	}
	path, _ := sample(t)
	tamper(t, path, func(b []byte) []byte { return b[:len(b)/2] })
	repaired, found, err := Open(path, Options{})
	mustDo(t, err)
	if !found.Damaged() || repaired.db.NoSync {
		t.Errorf("repaired file: %v, does not sync %v", found, repaired.db.NoSync)
	}
	mustDo(t, repaired.Close())
}
