// Package guarantee decides from two recorded histories, that of the source and
// that of the target, whether a replica kept its promises. There is one
// validator for each promise; each returns an error that names the first
// revision and key at which the promise was broken, or nil.
//
// The validators look at nothing but what the two etcds stored: not at the
// replica's logs, status or memory.
//
// A case covers one unbroken history of the target. A target that is wiped or
// set back is two cases. The source may be set back or replaced: each lineage
// brings its own history.
package guarantee
