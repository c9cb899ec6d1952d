// Package dial connects to an etcd cluster and says in words what is wrong
// when that does not work. The source and the target share it.
package dial
