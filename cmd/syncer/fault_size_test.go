//go:build fault

package main_test

import (
	"fmt"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// sizes are what a source may do at one revision.
var sizes = map[string]func(*rig){
	"a value of 1.4 MiB": func(r *rig) {
		r.txn(clientv3.OpPut("/apps/large", r.noise(1400<<10)))
		r.txn(clientv3.OpPut("/flags/large", r.noise(1400<<10)))
	},
	"a transaction of 128 operations": func(r *rig) {
		var ops []clientv3.Op
		for i := range 128 {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("/%s/wide%03d", []string{"apps", "flags"}[i%2], i), fmt.Sprint(i)))
		}
		r.txn(ops...)
	},
	"a delete of 20,000 keys": func(r *rig) {
		r.fill(20_000, 20)
		r.txn(clientv3.OpDelete("/apps/filled/", clientv3.WithPrefix()))
	},
	"the expiry of 10,000 keys": func(r *rig) {
		lease, err := r.source.Client().Grant(within(r.t), 60)
		if err != nil {
			r.t.Fatal(err)
		}
		for first := 0; first < 10_000; first += 100 {
			var ops []clientv3.Op
			for i := first; i < first+100; i++ {
				ops = append(ops, clientv3.OpPut(fmt.Sprintf("/apps/leased/%05d", i), "v", clientv3.WithLease(lease.ID)))
			}
			r.txn(ops...)
		}
		if _, err := r.source.Client().Revoke(within(r.t), lease.ID); err != nil { // what an expiry does
			r.t.Fatal(err)
		}
	},
}

// TestFaultSizes has the source do much at one revision, under load, while the
// importer is killed.
func TestFaultSizes(t *testing.T) {
	for name, do := range sizes {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, false)
			r.start()
			stop := r.load(usual)
			r.truth.moves()
			do(r)
			r.importer.kill(t)
			r.truth.moves()
			do(r)
			stop()
			r.settle()
		})
	}
}

// txn makes one revision of the source.
func (r *rig) txn(ops ...clientv3.Op) {
	r.t.Helper()
	if _, err := r.source.Client().Txn(within(r.t)).Then(ops...).Commit(); err != nil {
		r.t.Fatal(err)
	}
}
