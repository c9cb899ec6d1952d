// Package kine runs k3s-io/kine on SQLite as a child process: what a K3s stores
// its objects in unless it was told to use etcd.
//
// The binary is built from its module, pinned in .tools/kine/go.mod, when a test
// first needs it: that takes some minutes, needs no C compiler, and is kept in
// the cache folder of the user. KINE_BIN names a binary to use instead.
package kine
