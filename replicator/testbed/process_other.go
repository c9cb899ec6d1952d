//go:build !linux

package testbed

import "syscall"

// dieWithParent is for systems that tell a child nothing of its parent's end.
func dieWithParent() *syscall.SysProcAttr { return nil }
