// Package change holds the currency of syncer: what travels from the source
// to the target, and where it stands.
//
// A [Change] is one put or delete of one key. A [Changeset] is every change of
// a channel at one source revision, the atomic unit. A [Frame] is what crosses
// the hub: one or more changesets, a heartbeat, a digest page or a chunk,
// chained to the frame before it. A [Position] says where something stands.
//
// The package imports nothing else of the project.
package change
