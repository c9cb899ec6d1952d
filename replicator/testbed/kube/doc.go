// Package kube runs real Kubernetes control planes for tests, and reads what
// they store.
//
//   - [Plane] is an etcd in this process, and kube-apiserver,
//     kube-controller-manager, kube-scheduler and kwok as children. kwok plays
//     the nodes: pods become ready without containers.
//   - [Client] applies and reads objects of any kind.
//   - [Sample] is what a control plane stored under a key, and how it served
//     that. The samples in testdata/kubernetes are for tests that need no
//     running control plane.
//
// The binaries come from `make kube`, which builds them once into a cache
// folder; KUBE_BIN names another. A test that needs them is skipped where there
// are none, unless SYNCER_NEED_KUBE is set.
package kube
