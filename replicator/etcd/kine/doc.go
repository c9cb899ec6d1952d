// Package kine writes a channel into a kine, which is what K3s stores its
// objects in unless it was told to use etcd.
//
// A kine speaks etcd's protocol in front of an SQL database and knows four
// transactions, each of one key. So a source revision is not one revision of the
// target, and what package target promises holds with these differences:
//
//   - Prefix holds at the cursor, between revisions of the source. While one is
//     being written, and after a crash within it until it is written again, some
//     of its keys are there without the others.
//   - Atomic is not given.
//   - Fenced holds at the cursor. A writer that was overtaken while it writes a
//     transaction may go on for some keys: at most 100, and each only while
//     nobody else wrote it since it was read.
//   - Once holds in its effect: what is written already is not written again.
//
// Ordered, Resumable, Convergent, Contained and "absence is never a delete" hold
// as they do on etcd.
//
// What kine cannot do is kept from it here: a range without an end, which it
// takes for an empty one, keys that are no text, and its own key.
package kine
