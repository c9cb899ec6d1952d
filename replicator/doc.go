// Package replicator moves the selected state of a source etcd to target
// clusters and runs the daemons that do it.
//
// The life of a change, in the verbs that files, logs and metrics use:
//
//	list, watch  the source etcd                 replicator/etcd/source
//	filter       select and map keys             filter
//	publish      frames, chained, on the stream  replicator/exporter, replicator/jetstream
//	receive      and verify the chain            replicator/importer
//	append       to the inbox                    wal
//	acknowledge  to the hub, once durable        replicator/importer
//	apply        data and cursor, one txn        replicator/importer, replicator/etcd/target
//
// The functions here wire the parts of one daemon under one errgroup: [Hub],
// [Export] and [Import] run until their context is done.
package replicator
