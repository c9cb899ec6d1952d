// Package target writes a channel into an etcd.
//
// The position of the channel, its [Cursor], lives in the same etcd and is
// written in the same transaction as the data. Every transaction is guarded by
// the revision of that key: it takes effect only while the cursor is the one
// that this writer knows. That gives exactly-once effect, keeps a second
// writer out, and goes back together with the data when the etcd is restored.
//
// Follow one transaction through the files: commit.go decides, plan.go fits it
// into etcd's limits, collapse.go makes it smaller when deletes are too many,
// outcome.go finds out what happened when no answer came. What has to wait for
// somebody is kept beside the cursor: parked.go writes it, under the same guard.
package target
