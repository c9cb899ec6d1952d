//go:build !failpoint

package failpoint

// Hit does nothing in a build without the tag failpoint.
func Hit(Name) {}
