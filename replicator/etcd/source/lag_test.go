package source

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// cluster is three etcd servers, with a link of the test's own in front of each
// for the source.
type cluster struct {
	servers []*embed.Etcd
	links   []*testbed.Proxy
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{}
	var members []string
	var configs []*embed.Config
	for i := range 3 {
		cfg := embed.NewConfig()
		cfg.Name, cfg.Dir = fmt.Sprint("member", i), t.TempDir()
		peer, client := freeURL(t), freeURL(t)
		cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
		cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
		cfg.TickMs, cfg.ElectionMs, cfg.UnsafeNoFsync = 50, 500, true
		cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
		members = append(members, cfg.Name+"="+peer.String())
		configs = append(configs, cfg)
		c.links = append(c.links, testbed.NewProxy(t, client.Host))
	}
	for _, cfg := range configs {
		cfg.InitialCluster = strings.Join(members, ",")
		server, err := embed.StartEtcd(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
		c.servers = append(c.servers, server)
	}
	for _, server := range c.servers {
		select {
		case <-server.Server.ReadyNotify():
		case <-testContext(t).Done():
			t.Fatal("the cluster did not become ready")
		}
	}
	return c
}

func freeURL(t *testing.T) url.URL {
	t.Helper()
	address, err := testbed.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return url.URL{Scheme: "http", Host: address}
}

func connect(t *testing.T, endpoints ...string) *clientv3.Client {
	t.Helper()
	cli, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cli.Close() })
	return cli
}

// follower is a member that does not lead.
func (c *cluster) follower() int {
	return slices.IndexFunc(c.servers, func(s *embed.Etcd) bool { return s.Server.Leader() != s.Server.MemberID() })
}

// cut keeps a member apart from the others; mend brings it back.
func (c *cluster) cut(member int) {
	c.between(member, func(a, b *embed.Etcd) { a.Server.CutPeer(b.Server.MemberID()) })
}

func (c *cluster) mend(member int) {
	c.between(member, func(a, b *embed.Etcd) { a.Server.MendPeer(b.Server.MemberID()) })
}

func (c *cluster) between(member int, do func(a, b *embed.Etcd)) {
	for i, other := range c.servers {
		if i != member {
			do(c.servers[member], other)
			do(other, c.servers[member])
		}
	}
}

// only lets the source reach one member, or all but one.
func (c *cluster) only(member int, is bool) {
	for i, link := range c.links {
		if (i == member) == is {
			link.Pass()
		} else {
			link.Refuse()
		}
	}
}

// A source whose watch moves to a member that lags behind must not take it for
// one that was set back: what comes is what happened, in order, each revision
// once.
func TestWatchMovesToALaggingMember(t *testing.T) {
	c := startCluster(t)
	behind := c.follower()
	var endpoints, others []string
	for i, s := range c.servers {
		endpoints = append(endpoints, "http://"+c.links[i].Address())
		if i != behind {
			others = append(others, s.Config().AdvertiseClientUrls[0].String())
		}
	}
	writer := connect(t, others...)
	s := newTestSource(connect(t, endpoints...), Options{}, "a/", "c/")
	f := startFollowing(t, s, 1, nil)
	want := 0
	write := func(ops ...clientv3.Op) int64 {
		want++
		return commit(t, writer, ops...)
	}
	f.reach(write(clientv3.OpPut("a/1", "x"), clientv3.OpPut("c/k", "x")))
	for round := range 3 {
		c.only(behind, false)
		c.cut(behind)
		var last int64
		for i := range 50 {
			last = write(clientv3.OpPut("a/k", fmt.Sprint(round, i)), clientv3.OpPut("c/k", fmt.Sprint(i)))
		}
		f.reach(last)
		if at := c.servers[behind].Server.KV().Rev(); at >= last {
			t.Errorf("the member is at revision %d of %d: it does not lag", at, last)
		}
		c.only(behind, true)
		c.mend(behind)
		f.reach(write(clientv3.OpPut("a/behind", fmt.Sprint(round)), clientv3.OpDelete("c/k")))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.revisions) != want {
		t.Errorf("%d revisions came, %d were written", len(f.revisions), want)
	}
}
