// Package object turns what a Kubernetes API server stores in etcd into what
// was asked for: the intent, as canonical JSON.
//
// A stored value is one cluster's private serialisation of an object after
// that cluster wrote its own facts into it: UIDs, status, allocated addresses,
// owners. Another cluster refuses such bytes, or acts on facts that are not
// its own. The way from one to the other is
//
//	ParseKey  key   → which object is this?         (no value needed)
//	ReadMeta  value → labels, owner, kind           (no decoding)
//	Withheld  both  → may it cross at all?
//	Decode    value → the object, nothing lost
//	Intent          → the object without its cluster
//	Canonical       → bytes that are equal when the intent is
//
// Nothing is guessed: what cannot be read completely, or what says another
// thing than its key, is a *Refusal.
package object

// CodecVersion changes whenever the same stored bytes yield another intent.
const CodecVersion = 1
