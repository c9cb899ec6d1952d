//go:build !linux

package wal

import "go.etcd.io/bbolt"

// releaseMapping leaves mapped pages to the system: what it would need differs
// from system to system, and only costs memory that can be taken back.
func releaseMapping(*bbolt.Tx) error { return nil }
