package kine

import (
	"context"
	"log/slog"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

// Tier is the tier of a kine.
const Tier = "kine"

// limit is the most bytes of a request. kine takes what etcd takes by default
// and is not asked: it writes each request that it does not know into its log.
const limit = 3 << 19

// Open prepares writing the channel; see [target.Open] and
// [target.WithSingleKeys].
func Open(ctx context.Context, cli *clientv3.Client, key target.CursorKey, ranges []change.Range, log *slog.Logger) (*target.Target, error) {
	return target.Open(ctx, cli, key, log, target.WithRanges(ranges), target.WithSingleKeys(target.SingleKeys{
		Tier: Tier, Limit: limit, Unfit: unfit, Readable: readable,
	}))
}
