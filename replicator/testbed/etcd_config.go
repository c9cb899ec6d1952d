package testbed

import (
	"fmt"
	"net/url"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// EtcdConfig says how a server is started. The zero value of every field but
// Dir is a good default.
type EtcdConfig struct {
	// Dir holds the server's data. It is created when missing.
	Dir string
	// ClientAddress and PeerAddress are host:port; empty means a free loopback
	// port, chosen once and kept over restarts.
	ClientAddress string
	PeerAddress   string
	// QuotaBytes bounds the database; 0 is etcd's default of 2 GiB.
	QuotaBytes int64
	// MaxTxnOps bounds the operations of a transaction; 0 is etcd's 128.
	MaxTxnOps uint
	// MaxRequestBytes bounds a request; 0 is etcd's 1.5 MiB.
	MaxRequestBytes uint
	// CatchUpEntries is how many raft entries stay on the heap; 0 is etcd's
	// 5,000. A small number keeps the server small under big transactions.
	CatchUpEntries uint64
	// Fast skips every fsync. For tests that never kill the server: what a
	// crash leaves behind is undefined.
	Fast bool
	// Verbose writes the server's own log to stderr.
	Verbose bool
}

// The election of a single member needs no margin for other members: short
// ticks make a start take a fraction of a second.
const (
	tickMillis     = 20
	electionMillis = 200
)

// embedded is the configuration in etcd's words. The options reach the gRPC
// server that clients talk to.
func (c EtcdConfig) embedded(options ...grpc.ServerOption) *embed.Config {
	out := embed.NewConfig()
	out.Name = "testbed"
	out.Dir = c.Dir
	out.TickMs, out.ElectionMs = tickMillis, electionMillis
	out.ListenClientUrls = []url.URL{plain(c.ClientAddress)}
	out.AdvertiseClientUrls = out.ListenClientUrls
	out.ListenPeerUrls = []url.URL{plain(c.PeerAddress)}
	out.AdvertisePeerUrls = out.ListenPeerUrls
	out.InitialCluster = out.InitialClusterFromName(out.Name)
	out.QuotaBackendBytes = c.QuotaBytes
	out.UnsafeNoFsync = c.Fast
	out.EnableGRPCGateway = false
	out.GRPCAdditionalServerOptions = options
	if c.MaxTxnOps != 0 {
		out.MaxTxnOps = c.MaxTxnOps
	}
	if c.MaxRequestBytes != 0 {
		out.MaxRequestBytes = c.MaxRequestBytes
	}
	if c.CatchUpEntries != 0 {
		out.SnapshotCatchUpEntries = c.CatchUpEntries
	}
	if !c.Verbose {
		out.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	}
	return out
}

func plain(address string) url.URL { return url.URL{Scheme: "http", Host: address} }

// complete fills in the addresses that were left open.
func (c EtcdConfig) complete() (EtcdConfig, error) {
	if c.Dir == "" {
		return c, fmt.Errorf("start etcd: no data directory given")
	}
	for _, address := range []*string{&c.ClientAddress, &c.PeerAddress} {
		if *address != "" {
			continue
		}
		free, err := FreeAddress()
		if err != nil {
			return c, fmt.Errorf("start etcd: %w", err)
		}
		*address = free
	}
	return c, nil
}
