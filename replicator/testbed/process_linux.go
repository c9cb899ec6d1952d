package testbed

import "syscall"

// dieWithParent ends a child that does not read its standard input, too, when
// this process dies without stopping it.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
