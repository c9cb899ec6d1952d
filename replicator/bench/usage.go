package main

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// usage is what processes took of the machine, by name.
type usage map[string]spent

type spent struct {
	peak int64         // largest resident memory so far, bytes
	cpu  time.Duration // of all cores
}

// usage of the processes from their start on.
func (c children) usage() (usage, error) {
	out := usage{}
	for name, p := range c {
		peak, err := testbed.PeakRSS(p.PID())
		if err != nil {
			return nil, fmt.Errorf("%s: %w; its last output:\n%s", name, err, p.Output())
		}
		cpu, err := cpuTime(p.PID())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = spent{peak, cpu}
	}
	return out, nil
}

// tick is the unit in which Linux tells CPU times to programs.
const tick = 10 * time.Millisecond

// cpuTime is the user and system time of a process.
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
	}
	// The name of the process, in brackets, may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	total := time.Duration(0)
	for _, at := range []int{11, 12} { // utime and stime
		if at >= len(fields) {
			return 0, fmt.Errorf("read the CPU time of process %d: %d fields", pid, len(fields))
		}
		n, err := strconv.Atoi(fields[at])
		if err != nil {
			return 0, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
		}
		total += time.Duration(n) * tick
	}
	return total, nil
}

// since is the CPU time that was spent since an earlier look, and the peak.
func (u usage) since(before usage) usage {
	out := usage{}
	for name, s := range u {
		out[name] = spent{s.peak, s.cpu - before[name].cpu}
	}
	return out
}

// max keeps the larger figures of each process.
func (u usage) max(o usage) usage {
	out := maps.Clone(u)
	if out == nil {
		out = usage{}
	}
	for name, s := range o {
		out[name] = spent{max(out[name].peak, s.peak), max(out[name].cpu, s.cpu)}
	}
	return out
}

func (u usage) cpu() time.Duration {
	total := time.Duration(0)
	for _, s := range u {
		total += s.cpu
	}
	return total
}
