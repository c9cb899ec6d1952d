package kine

import (
	"context"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/syncer-io/syncer/replicator/etcd/dial"
)

// unknownForm is what kine says to a transaction that is none of its forms.
const unknownForm = "unsupported operations in txn"

const answerTime = 10 * time.Second

// Detect reports whether the server behind a client is a kine. It asks with a
// transaction that reads the key, should it satisfy two conditions that no key
// does. That the user may not read it proves an etcd: kine knows no users.
func Detect(ctx context.Context, cli *clientv3.Client, key string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	never := clientv3.Compare(clientv3.ModRevision(key), "<", 0)
	_, err := cli.Txn(ctx).If(never, never).Then(clientv3.OpGet(key)).Commit()
	switch {
	case err == nil, status.Code(err) == codes.PermissionDenied:
		return false, nil
	case strings.Contains(err.Error(), unknownForm):
		return true, nil
	}
	err = dial.Explain(err, strings.Join(cli.Endpoints(), ","), key)
	return false, fmt.Errorf("find out whether the target is an etcd or a kine: %w", err)
}
