// Package source reads a selection of keys from an etcd: it follows the
// changes of a set of key ranges and reads their content.
//
// [Source.Watch] follows. One watch covers all ranges, so that the events of
// one transaction arrive together, and one bounded queue stands between the
// server and the sink:
//
//	etcd ─stream─▶ assembler ─revisions─▶ queue ─batches─▶ sink
//
// The stream is a plain gRPC watch stream. The watcher of clientv3 would keep
// everything a slow sink has not read yet, would join the fragments of a
// response before showing any of it, and would go on by itself after a
// reconnect without looking whether the server still is the one it was. Here
// every (re)opening starts with a linearizable read that proves that the
// history still contains what was delivered.
//
// [Source.Read], [Source.Scan], [Source.Keys] and [Source.Fetch] read content.
// All reads are linearizable, and none needs a revision to stay uncompacted
// for longer than one request.
package source
