package main

import (
	"context"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/pairing"
	"github.com/syncer-io/syncer/replicator/status"
)

func (d *doctor) examineCloud(path string, cfg *config.Exporter) {
	d.group("configuration")
	d.ok("%s is valid: source %s, %s", path, cfg.Name, status.Count(uint64(len(cfg.Loaded)), "policy", "policies"))
	d.group("data directory")
	d.dataDir(cfg.DataDir)
	d.source(cfg)
	d.group("hub")
	c := &cloud{cfg: cfg, file: path}
	var err error
	if c.nc, err = c.connect(d.ctx, d.log); err != nil {
		d.cloudHubAway(cfg, err)
		return
	}
	defer c.nc.Close()
	d.ok("reachable at %s, credentials accepted", c.nc.ConnectedUrlRedacted())
	d.hubCarries(c)
	d.group("pairs")
	d.pairs(c)
}

// source looks at what the exporter reads, and at its policies there.
func (d *doctor) source(cfg *config.Exporter) {
	if cfg.Source.HasEtcd() {
		d.group("source etcd")
		if cli := d.etcd(dial.Source, cfg.Source.Etcd); cli != nil {
			d.group("policies")
			for _, p := range cfg.Loaded {
				d.policyIn(cli, p, cfg)
			}
			_ = cli.Close() // it was only to look
		}
	}
	if cfg.Source.Kubernetes != nil {
		d.group("source API server")
		d.apiSource(cfg)
	}
}

// cloudHubAway: before the first start, the hub inside an exporter is away
// rightly.
func (d *doctor) cloudHubAway(cfg *config.Exporter, err error) {
	if cfg.Hub.Embedded != nil {
		d.warn("syncer export runs it", "the hub in the exporter does not run: %v", err)
		return
	}
	d.fail(err)
}

// policyIn looks at a policy of the configuration.
func (d *doctor) policyIn(cli *clientv3.Client, p filter.Policy, cfg *config.Exporter) {
	if p.PerEdge() {
		d.ok("%s is filled in per edge", p.Metadata.Name)
		return
	}
	sel, err := filter.Compile(p, cfg.Cluster())
	if err != nil {
		d.fail(err)
		return
	}
	d.policy(cli, sel, cfg.Source.Etcd)
}

// policy counts what a policy matches now; the read shows that it is allowed.
func (d *doctor) policy(cli *clientv3.Client, sel *filter.Selection, e config.Etcd) {
	ctx, cancel := context.WithTimeout(d.ctx, answerTime)
	defer cancel()
	var count int64
	for _, r := range sel.SourceRanges() {
		end := string(r.Hi)
		if len(r.Hi) == 0 {
			end = "\x00" // etcd's word for no end
		}
		resp, err := cli.Get(ctx, firstKey(r.Lo), clientv3.WithRange(end), clientv3.WithCountOnly())
		if err != nil {
			d.fail(dial.Explain(err, e.Endpoints[0], r.String()))
			return
		}
		count += resp.Count
	}
	if count == 0 {
		d.warn("check the prefixes of the policy, if the source is not empty", "%s matches no key now", sel.Name())
		return
	}
	d.ok("%s matches %s now", sel.Name(), keys(uint64(count)))
}

// firstKey is the smallest key of a range; etcd's keys are never empty.
func firstKey(lo []byte) string {
	if len(lo) == 0 {
		return "\x00"
	}
	return string(lo)
}

// hubCarries checks that the hub can store and take what is published.
func (d *doctor) hubCarries(c *cloud) {
	ctx, cancel := context.WithTimeout(d.ctx, answerTime)
	defer cancel()
	if err := conn.CheckJetStream(ctx, c.nc); err != nil {
		d.fail(c.explain(err))
	} else {
		d.ok("JetStream is on")
	}
	if err := conn.CheckMaxPayload(c.nc, jetstream.MaxMessage); err != nil {
		d.fail(err)
	} else {
		d.ok("max_payload is %s", size(c.nc.MaxPayload()))
	}
	reports, err := jetstream.ReadStatuses(ctx, c.nc, c.cfg.Name)
	if err != nil {
		d.fail(c.explain(err))
		return
	}
	x := status.Merge(status.Observation{Source: c.cfg.Name, Now: reports.Now, Exporter: reports.Exporter}).Exporter
	if x.State == status.ExporterActive {
		d.ok("an exporter of %s is active%s", c.cfg.Name, reported(x.AgeSeconds))
	} else {
		d.warn(x.Try, "%s", x.Reason)
	}
}

func (d *doctor) pairs(c *cloud) {
	ctx, cancel := context.WithTimeout(d.ctx, answerTime)
	defer cancel()
	recs, err := c.pairsOfSource(ctx)
	if err != nil {
		d.fail(err)
		return
	}
	known, err := c.policies(ctx)
	if err != nil {
		d.fail(err)
		return
	}
	paired := uint64(0)
	for _, r := range recs {
		if r.State == pairing.Removed {
			continue
		}
		if !slices.Contains(policyNames(known), r.Policy) {
			d.warn("put the policy back, or: syncer pair create "+r.Name+" --replace --policy POLICY",
				"%s is paired with policy %s, which is neither configured nor applied any more", r.Name, r.Policy)
		}
		switch {
		case r.State == pairing.Paired:
			paired++
		case r.Expired(time.Now()):
			d.warn("syncer pair create "+r.Name+" --policy "+r.Policy+" --replace", "the token of %s expired unused", r.Name)
		default:
			d.ok("%s has a token that is valid until %s", r.Name, r.Expires.UTC().Format(time.RFC3339))
		}
	}
	if paired == 0 {
		d.warn("syncer pair create EDGE --policy POLICY", "no edge is paired")
		return
	}
	d.ok("%s paired", status.Count(paired, "edge is", "edges are"))
}

// etcd checks a cluster; the caller closes the client, which is nil when the
// cluster is of no use.
func (d *doctor) etcd(role dial.Role, e config.Etcd) *clientv3.Client {
	ctx, cancel := context.WithTimeout(d.ctx, answerTime)
	defer cancel()
	cli, err := dial.Dial(ctx, replicator.EtcdConfig(e), d.log)
	if err != nil {
		d.fail(err)
		return nil
	}
	server, err := dial.Check(ctx, cli, role)
	if err != nil {
		d.fail(err)
		_ = cli.Close() // it was only to look
		return nil
	}
	d.ok("etcd %s at %s, revision %d, %s on disk", server.Version, server.Endpoint, server.Revision, size(server.DBSize))
	for _, w := range server.Warnings {
		d.warn("", "%s", w)
	}
	return cli
}
