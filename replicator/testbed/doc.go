// Package testbed runs the real parts that syncer stands between, in this
// process or as child processes, for tests, the demo and benchmarks.
//
//   - [Etcd] is an embedded etcd server that can be stopped, restarted on its
//     ports, wiped, copied, and set back to an older copy.
//   - [EtcdProcess] is the same server as a child process: it can be killed,
//     and its memory is not the caller's. [Main] turns the re-executed binary
//     into that server.
//   - [HubCluster] is three nats-servers that share streams, each in a child
//     process that can be stopped, killed and frozen.
//   - [Process] is any child process, with its output kept for the report.
//   - [Proxy] is a TCP link that is cut, frozen, delayed or throttled at run
//     time.
//
// Whole Kubernetes control planes are in the package [kube].
//
// The load and the ground truth live below: [workload] writes random but
// replayable changes, [history] records every revision of an etcd with a watch
// of its own, and [guarantee] decides from two histories whether a replica kept
// its promises.
//
// [kube]: https://pkg.go.dev/github.com/syncer-io/syncer/replicator/testbed/kube
// [workload]: https://pkg.go.dev/github.com/syncer-io/syncer/replicator/testbed/workload
// [history]: https://pkg.go.dev/github.com/syncer-io/syncer/replicator/testbed/history
// [guarantee]: https://pkg.go.dev/github.com/syncer-io/syncer/replicator/testbed/guarantee
package testbed
