// Command bench measures syncer and `etcdctl make-mirror` side by side, on the
// same machine, in the same run, on the same bytes, and writes a page about it:
//
//	go run ./replicator/bench -out docs/benchmarks.md
//	go run ./replicator/bench -quick
//	go run ./replicator/bench -run copy -keys 20000 -rounds 5
//
// Everything is a process of its own with its default durability: a source and
// a target etcd, and the hub, exporter and importer of the built syncer, or the
// etcdctl of the module that go.mod pins. Both tools take turns within each
// round, so that what else the machine does meets both.
package main
