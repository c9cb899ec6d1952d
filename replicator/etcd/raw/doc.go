// Package raw writes delivered Kubernetes objects into the etcd under an API
// server, past that server. It is for edges whose API server cannot be used, and
// is asked for by name.
//
// Nobody validates, admits or audits what is written here, and a value that the
// API server cannot decode, or that a controller acts on, does harm far beyond
// its key. So a Target writes few kinds, only what it can prove that the edge
// reads, and refuses the rest with the reason.
//
//	rules.go     which resources may be written
//	judge.go     whether this object may be, onto what stands there
//	build.go     the stored object: the intent, with what the edge decided
//	commit.go    both in one transaction with the cursor
//	scan.go      and the way back: the intent of what is stored
//
// An object that was written carries an annotation that names it, see [Mark].
// Objects without it are the edge's own: they are not seen, and never deleted.
package raw
