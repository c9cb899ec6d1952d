// Package workload writes random but replayable changes into an etcd: puts,
// deletes, deletes of whole prefixes, transactions over several prefixes,
// writes that change nothing, values from nothing to some KiB, and keys that
// are not text.
//
// A [Generator] is a pure function of its seed. [Run] sends what generators
// make, at a rate or flat out, and rides over outages of the server. With one
// writer a run is exactly replayable; with several, each writer's sequence is,
// and their interleaving is not.
package workload
