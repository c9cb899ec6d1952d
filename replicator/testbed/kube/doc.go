// Package kube runs real control planes for tests: an etcd in the process, and
// kube-apiserver, kube-controller-manager, kube-scheduler and kwok as children.
// kwok plays the nodes: pods become ready without containers.
//
// The binaries come from `make kube`, which builds them once into a cache
// folder. A test that needs them is skipped where they are missing, unless
// SYNCER_NEED_KUBE is set.
package kube
