package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// Keepalive finds a dead link in at most their sum. The time is above the
// server's default minimum of 5 s, below which it hangs up.
const (
	keepAliveTime    = 10 * time.Second
	keepAliveTimeout = 5 * time.Second
)

// maxSend leaves the limit to the server, which is the one that knows it.
const maxSend = 256 << 20

// Dial connects to the cluster and logs in. It fails, with the reason in
// words, when no endpoint answers as an etcd; [Retryable] tells whether trying
// again can help. ctx bounds only the call: the client lives until Close,
// which the caller owes, and finds back by itself after a lost connection.
func Dial(ctx context.Context, cfg Config, log *slog.Logger) (*clientv3.Client, error) {
	eps, err := cfg.endpoints()
	if err != nil {
		return nil, err
	}
	password, err := cfg.password()
	if err != nil {
		return nil, err
	}
	tlsCfg, err := cfg.tls(eps[0].secure)
	if err != nil {
		return nil, err
	}
	if err := preflight(ctx, eps, tlsCfg, cfg.timeout(), log); err != nil {
		return nil, err
	}
	cli, err := clientv3.New(clientConfig(ctx, cfg, eps, tlsCfg, password))
	if err != nil {
		return nil, Explain(err, eps[0].url)
	}
	log.DebugContext(ctx, "connected to etcd", "endpoints", urls(eps))
	return cli, nil
}

func clientConfig(ctx context.Context, cfg Config, eps []endpoint, tlsCfg *tls.Config, password string) clientv3.Config {
	return clientv3.Config{
		Endpoints:            urls(eps),
		TLS:                  tlsCfg,
		Username:             cfg.Username,
		Password:             password,
		DialTimeout:          cfg.timeout(),
		DialKeepAliveTime:    keepAliveTime,
		DialKeepAliveTimeout: keepAliveTimeout,
		MaxCallSendMsgSize:   maxSend,
		MaxCallRecvMsgSize:   math.MaxInt32,
		DialOptions:          dialOptions(cfg),
		// A client outlives the deadline of the call that made it.
		Context: context.WithoutCancel(ctx),
		// The client warns about every retry, which its callers report
		// themselves once and with a remedy.
		Logger: zap.NewNop(),
	}
}

func dialOptions(cfg Config) []grpc.DialOption {
	if cfg.Window > 0 {
		return []grpc.DialOption{grpc.WithInitialWindowSize(cfg.Window), grpc.WithInitialConnWindowSize(cfg.Window)}
	}
	return nil
}

func urls(eps []endpoint) []string {
	out := make([]string, len(eps))
	for i, ep := range eps {
		out[i] = ep.url
	}
	return out
}

// preflight asks each endpoint whether it is an etcd. One that answers is
// enough: the client finds the others when they come back.
func preflight(ctx context.Context, eps []endpoint, tlsCfg *tls.Config, timeout time.Duration, log *slog.Logger) error {
	var failed []error
	for _, ep := range eps {
		err := probe(ctx, ep, tlsCfg, timeout)
		if err == nil {
			for _, f := range failed {
				log.WarnContext(ctx, "an etcd endpoint does not answer", "error", f)
			}
			return nil
		}
		failed = append(failed, Explain(err, ep.url))
		if ctx.Err() != nil {
			break
		}
	}
	if len(failed) == 1 {
		return failed[0]
	}
	return errors.Join(failed...)
}
