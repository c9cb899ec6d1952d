package command

import (
	"fmt"
	"slices"
)

// Take says what a key that is in conflict shall hold.
type Take string

// What can be taken.
const (
	TakeSource Take = "source" // what the source has
	TakeEdge   Take = "edge"   // what stands at the edge
	TakeValue  Take = "value"  // Command.Value
	TakeRecord Take = "record" // what the edge had in the record Command.Record
)

// Bounds of Resolve. A command goes through the control socket, and through the
// hub in one frame.
const (
	MaxKeys  = 1000
	MaxValue = 128 << 10 // bytes of Value
	maxKeys  = 64 << 10  // bytes of all keys
)

func (c Command) checkResolve() error {
	size := 0
	for _, key := range c.Keys {
		size += len(key)
	}
	single := c.Take == TakeValue || c.Take == TakeRecord
	switch {
	case len(c.Keys) == 0 || slices.ContainsFunc(c.Keys, func(key []byte) bool { return len(key) == 0 }):
		return fmt.Errorf("%s names the keys that it is about", c.Verb)
	case len(c.Keys) > MaxKeys || size > maxKeys:
		return fmt.Errorf("%d keys of %d bytes, at most %d of %d", len(c.Keys), size, MaxKeys, maxKeys)
	case !single && c.Take != TakeSource && c.Take != TakeEdge:
		return fmt.Errorf("%s takes the source's value, the edge's, one that is given, or that of a record, not %q", c.Verb, c.Take)
	case single && len(c.Keys) > 1:
		return fmt.Errorf("one value is for one key, not for %d", len(c.Keys))
	case len(c.Value) > MaxValue:
		return fmt.Errorf("a value of %d bytes, at most %d", len(c.Value), MaxValue)
	case len(c.Value) > 0 && c.Take != TakeValue:
		return fmt.Errorf("a value is given, and %s is taken", c.Take)
	case (c.Record > 0) != (c.Take == TakeRecord):
		return fmt.Errorf("record %d is named, and %s is taken", c.Record, c.Take)
	}
	return nil
}
