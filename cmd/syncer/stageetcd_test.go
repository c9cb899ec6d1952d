package main

import (
	"context"

	"github.com/rogpeppe/go-internal/testscript"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// unseen writes a key of a target in a transaction that looks like one of the
// importer's own, so that only a comparison finds it.
func (s *stage) unseen(ts *testscript.TestScript, args []string) {
	want(ts, args, 4, "unseen ETCD CHANNEL KEY VALUE")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := s.server(ts, args[0]).Client().Txn(ctx).Then(
		clientv3.OpPut("/syncer/mark/cloud/"+args[1], "forged"), clientv3.OpPut(args[2], args[3]),
	).Commit()
	ts.Check(err)
}

// down stops a server and keeps what it holds.
func (s *stage) down(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "down ETCD")
	s.server(ts, args[0]).Stop()
}

// up starts a server again.
func (s *stage) up(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "up ETCD")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ts.Check(s.server(ts, args[0]).Start(ctx))
}
