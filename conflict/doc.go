// Package conflict decides what becomes of a key that was changed at the edge
// as well as at the source, or at the edge alone. It is a pure function of
// values and a rule: it reads nothing, writes nothing and keeps nothing. All of
// it may be used by several goroutines at once.
package conflict
