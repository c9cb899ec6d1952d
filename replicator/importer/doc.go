// Package importer brings a channel to a target: receive, append, acknowledge,
// apply.
//
// The receiver verifies the chain of frames and appends them to the inbox; it
// acknowledges to the hub once they are durable there. The applier takes them
// from the inbox in order and writes them to the target, together with the
// cursor. The cursor in the target is the only position that counts: the inbox
// and the table of digests are caches of what the hub and the target say, and
// are made anew when they do not fit it.
//
// New edges, edges whose history is gone, edges that lost their disk, and edges
// whose digest does not match do the same thing (see repair.go): compare with
// the channel's digest page, ask for the ranges that differ, replace them.
package importer
