package target

import (
	"context"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/etcd/dial"
)

// holdingsTime bounds the wait for an answer.
const holdingsTime = 10 * time.Second

// Holdings are the cursors of all channels that importers write to an etcd. One
// that cannot be read is an error: it holds nobody knows what.
func Holdings(ctx context.Context, cli *clientv3.Client) ([]Cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, holdingsTime)
	defer cancel()
	prefix := Prefix + "cursor/"
	resp, err := cli.Get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("read what importers hold: %w", dial.Explain(err, strings.Join(cli.Endpoints(), ","), prefix))
	}
	out := make([]Cursor, 0, len(resp.Kvs))
	for _, kv := range resp.Kvs {
		name, channel, _ := strings.Cut(strings.TrimPrefix(string(kv.Key), prefix), "/")
		rec, err := decodeRecord(CursorKey{Source: name, Channel: channel}, kv.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, rec.Cursor)
	}
	return out, nil
}
