package wal

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var mappingHeader = regexp.MustCompile(`^[0-9a-f]+-[0-9a-f]+ `)

// mappedKB is how much of the file's mapping counts as this process's memory.
func mappedKB(t testing.TB, path string) (sum int) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	mustDo(t, err)
	defer f.Close()
	lines, inside := bufio.NewScanner(f), false
	for lines.Scan() {
		line := lines.Text()
		var kb int
		switch n, _ := fmt.Sscanf(line, "Rss: %d kB", &kb); {
		case mappingHeader.MatchString(line): // also of mappings without a file
			inside = strings.HasSuffix(line, " "+path)
		case inside && n == 1:
			sum += kb
		}
	}
	mustDo(t, lines.Err())
	return sum
}

func TestReadingABacklogDoesNotKeepItInMemory(t *testing.T) {
	const size = 32 << 10
	path := logPath(t)
	l := open(t, path, Options{})
	for range 8 {
		fill(t, l, 125, size)
	}
	most := 0
	for next := uint64(1); next < l.Next(); {
		got, err := l.Read(next, 1<<20)
		mustDo(t, err)
		next += uint64(len(got))
		most = max(most, mappedKB(t, path))
	}
	t.Logf("at most %d KiB mapped", most)
	if most > 6<<10 || most == 0 {
		t.Fatalf("%d KiB of 32 MiB stayed mapped", most)
	}
}
