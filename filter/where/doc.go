// Package where decides by an expression in CEL, the Common Expression
// Language, whether an object is selected:
//
//	object.spec.replicas > 0 && object.metadata.labels[?"tier"].orValue("") != "debug"
//
// The one variable is object, the whole object. Beside the standard library
// there are the string functions, sets.contains and its like, and optional
// values (?. and [?]). An expression sees nothing else: no clock, no other
// object, no network.
package where
