// Package fault holds errors that an operator reads: what went wrong, what to
// try, and which exit code the command ends with.
package fault

import (
	"errors"
	"fmt"
)

// Class decides the exit code of a command that ends with the error.
type Class int

// The classes, with the exit codes of the command line.
const (
	General     Class = 1 // failure, or differences for diff and verify
	Usage       Class = 2 // usage, configuration or policy error
	Check       Class = 3 // a check failed, or not in sync
	Timeout     Class = 4 // timed out
	Unreachable Class = 5 // could not reach the other side
	Refused     Class = 6 // refused: authentication, token, signature
	Safety      Class = 7 // stopped for safety
)

// Error is an error with a class and a remedy. Err is never nil.
type Error struct {
	Class Class
	Err   error
	Try   string
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an error of the class with a remedy; the format takes %w.
func New(class Class, try, format string, args ...any) error {
	return &Error{Class: class, Err: fmt.Errorf(format, args...), Try: try}
}

// ExitCode is the exit code for err: 0 for nil, the class of the outermost
// Error in its chain that has one, otherwise 1. An error never ends with 0.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	for err != nil {
		var f *Error
		if !errors.As(err, &f) {
			break
		}
		if f.Class != 0 {
			return int(f.Class)
		}
		err = f.Err
	}
	return int(General)
}

// Try is the remedy of the outermost Error in the chain that has one.
func Try(err error) string {
	for err != nil {
		var f *Error
		if !errors.As(err, &f) {
			return ""
		}
		if f.Try != "" {
			return f.Try
		}
		err = f.Err
	}
	return ""
}

// Describe is what a command or a log line prints: the message, then the
// remedy.
func Describe(err error) string {
	if try := Try(err); try != "" {
		return err.Error() + "\nTry: " + try
	}
	return err.Error()
}
