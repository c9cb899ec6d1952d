package testbed

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// PeakRSS is the largest resident memory a running process has had, in bytes.
// It reads /proc and so works on Linux only.
func PeakRSS(pid int) (int64, error) { return statusBytes(pid, "VmHWM:") }

// RSS is the resident memory of a running process, in bytes. It reads /proc and
// so works on Linux only.
func RSS(pid int) (int64, error) { return statusBytes(pid, "VmRSS:") }

func statusBytes(pid int, field string) (int64, error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(b)) {
		rest, ok := strings.CutPrefix(line, field)
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read memory of process %d: %s: %w", pid, path, err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("read memory of process %d: %s has no %s", pid, path, field)
}
