package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/syncer-io/syncer/replicator/fault"
)

func TestExitCode(t *testing.T) {
	inner := fault.New(fault.Refused, "ask for a token", "join: %w", io.EOF)
	for name, test := range map[string]struct {
		err  error
		want int
	}{
		"none":              {nil, 0},
		"plain":             {io.EOF, 1},
		"classed":           {inner, 6},
		"wrapped":           {fmt.Errorf("start: %w", inner), 6},
		"joined":            {errors.Join(io.EOF, inner), 6},
		"outermost":         {fault.New(fault.Usage, "", "read the policy: %w", inner), 2},
		"without a class":   {&fault.Error{Err: io.EOF}, 1},
		"class from within": {&fault.Error{Err: inner, Try: "look below"}, 6},
	} {
		if got := fault.ExitCode(test.err); got != test.want {
			t.Errorf("%s: exit code %d, want %d", name, got, test.want)
		}
	}
}

func TestTry(t *testing.T) {
	inner := fault.New(fault.Refused, "ask for a token", "join: %w", io.EOF)
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"none":      {nil, ""},
		"plain":     {io.EOF, ""},
		"wrapped":   {fmt.Errorf("start: %w", inner), "ask for a token"},
		"outermost": {fault.New(fault.Usage, "pair again", "start: %w", inner), "pair again"},
		"inner":     {fault.New(fault.Usage, "", "start: %w", inner), "ask for a token"},
	} {
		if got := fault.Try(test.err); got != test.want {
			t.Errorf("%s: try %q, want %q", name, got, test.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	err := fmt.Errorf("start: %w", fault.New(fault.Refused, "ask for a token", "join %s: %w", "store-1", io.EOF))
	if got, want := fault.Describe(err), "start: join store-1: EOF\nTry: ask for a token"; got != want {
		t.Errorf("described as %q, want %q", got, want)
	}
	if got, want := fault.Describe(io.EOF), "EOF"; got != want {
		t.Errorf("described as %q, want %q", got, want)
	}
}

func TestErrorKeepsItsCause(t *testing.T) {
	err := fault.New(fault.Check, "look", "read: %w", io.EOF)
	var f *fault.Error
	if !errors.Is(err, io.EOF) || !errors.As(err, &f) || f.Class != fault.Check {
		t.Errorf("cause of %v is lost", err)
	}
}
