//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	armed = fromEnvironment()
	hits  atomic.Int64
)

func fromEnvironment() plan {
	p, err := parse(os.Getenv(Variable))
	if err != nil {
		panic(fmt.Sprintf("%s: %v", Variable, err)) // a run that tests nothing must not look like one that does
	}
	return p
}

// Hit says that the process has come to a moment. If that is the armed one, it
// does what the plan says; a kill runs nothing that was deferred.
func Hit(name Name) {
	if !armed.meets(name) || hits.Add(1) != armed.at {
		return
	}
	fmt.Fprintf(os.Stderr, "failpoint %s: hit %d, %s\n", name, armed.at, armed.action)
	switch armed.action {
	case stop:
		signal(syscall.SIGSTOP)
	case sleep:
		<-time.After(armed.pause)
	default:
		signal(syscall.SIGKILL)
		select {} // the signal is on its way
	}
}

func signal(s syscall.Signal) {
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		panic(fmt.Sprintf("failpoint: send %v to the own process: %v", s, err))
	}
}
