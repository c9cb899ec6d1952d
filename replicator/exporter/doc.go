// Package exporter follows a source etcd and publishes what a channel holds:
// list, watch, filter, publish.
//
// An exporter holds a term while its appends to the log stream succeed. Within
// a term each channel is owned by one goroutine, which keeps the channel's
// index, makes its frames, and serves digest pages and chunks in the order of
// the frames. Nothing but the stream decides who is active: a second exporter
// of the same source stays a standby while the stream moves, takes over when
// it stands still, and loses its first append when it was wrong.
//
// Between terms, while the hub is away, one spooler for each channel keeps the
// source's history on disk. The next term reads it before it watches the source.
//
// Position: the exporter stands at the tail of the stream. Its own index is
// committed only for what the hub has acknowledged, so that after a crash the
// index is at the tail or behind it, or the hub has lost acknowledged data.
package exporter
