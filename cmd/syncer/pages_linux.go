package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// dropPages gives the pages of the binary back that this process has mapped so
// far: most of them only to start. The system keeps them cached while it has
// memory to spare, and maps those again that are used. It is a hint: when it is
// not followed nothing is lost.
func dropPages() {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer func() { _ = maps.Close() }() // it was only read
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var from, to uintptr
		var rights string
		line := lines.Text()
		if n, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights); n != 3 || err != nil {
			return
		}
		if strings.HasSuffix(line, self) && !strings.Contains(rights, "w") {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED) // a hint
		}
	}
}
