package main

import (
	"context"
	"strings"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/config"
	etcd "github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/kube/client"
	kube "github.com/syncer-io/syncer/replicator/kube/source"
)

// apiSource looks at the API server that an exporter reads.
func (d *doctor) apiSource(cfg *config.Exporter) {
	ctx, cancel := context.WithTimeout(d.ctx, answerTime)
	defer cancel()
	cli, err := client.Connect(ctx, replicator.KubernetesConfig(cfg.Source.Kubernetes.Access()), d.log)
	if err != nil {
		d.fail(err)
		return
	}
	d.ok("Kubernetes %s at %s", cli.Version.GitVersion, cli.Host)
	if !cfg.Source.HasEtcd() {
		d.warn("read the cluster's etcd as well, where there is access to it",
			"tier %s: a change is told one to two seconds late, and keys are compared when the API server has started anew", kube.Tier)
	} else {
		d.ok("tier %s", kube.TierUnsealed)
	}
	for _, p := range cfg.Loaded {
		d.policyThroughAPI(cli, p, cfg)
	}
}

// policyThroughAPI looks whether a policy of the configuration may be read.
func (d *doctor) policyThroughAPI(cli *client.Client, p filter.Policy, cfg *config.Exporter) {
	if p.PerEdge() {
		d.ok("%s is filled in per edge", p.Metadata.Name)
		return
	}
	sel, err := filter.Compile(p, cfg.Cluster())
	if err != nil {
		d.fail(err)
		return
	}
	ranges, opts := sel.SourceRanges(), replicator.SourceOptions(cfg)
	if cfg.Source.HasEtcd() {
		if ranges = kube.OfResources(cfg.Source.KubernetesPrefix, ranges, opts.Only); len(ranges) == 0 {
			return
		}
	}
	ctx, cancel := context.WithTimeout(d.ctx, answerTime)
	defer cancel()
	src := kube.New(cli, cfg.Source.KubernetesPrefix, ranges, opts, d.log)
	if err := src.Check(ctx); err != nil {
		d.fail(err)
		return
	}
	absent, err := src.Absent(ctx)
	if err != nil {
		d.fail(err)
		return
	}
	if len(absent) > 0 {
		d.warn("install their definitions, if they are wanted: the exporter finds them when they come",
			"%s selects what the API server does not have: %s", sel.Name(), strings.Join(absent, ", "))
	}
	if cfg.Source.HasEtcd() {
		d.ok("%s: what is encrypted may be read", sel.Name())
		return
	}
	d.countThroughAPI(ctx, src, sel, ranges)
}

func (d *doctor) countThroughAPI(ctx context.Context, src *kube.Source, sel *filter.Selection, ranges []change.Range) {
	count := 0
	for _, r := range ranges {
		_, err := src.Keys(ctx, r, func(items []etcd.Item) error { count += len(items); return nil })
		if err != nil {
			d.fail(err)
			return
		}
	}
	d.ok("%s may be read and followed, %d objects are of its resources now", sel.Name(), count)
}
