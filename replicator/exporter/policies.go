package exporter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// policies are those of the configuration and those that were applied. It is
// made once and then read.
type policies struct {
	cluster filter.Cluster
	all     []filter.Policy // those of the configuration first
	own     int             // how many of them those are
	applied jetstream.Policies
	broken  map[string]error // applied policies that cannot be used
	owned   []Owned          // keys of the source that importers write
}

// gather joins the policies of the configuration with applied ones. One of the
// configuration hides an applied one of its name.
func gather(own []filter.Policy, applied jetstream.Policies, cluster filter.Cluster) *policies {
	p := &policies{cluster: cluster, all: slices.Clone(own), own: len(own), applied: applied, broken: map[string]error{}}
	for _, item := range applied.Items {
		if p.owns(item.Name) != nil {
			continue
		}
		policy, err := revive(item, cluster)
		if err != nil {
			p.broken[item.Name] = err
			continue
		}
		p.all = append(p.all, policy)
	}
	return p
}

// revive reads an applied policy out of the file that it came in.
func revive(item jetstream.AppliedPolicy, cluster filter.Cluster) (filter.Policy, error) {
	found, err := parse([]jetstream.PolicyDocument{{File: item.File, Text: item.Text}}, cluster)
	if err != nil {
		return filter.Policy{}, err
	}
	i := slices.IndexFunc(found, func(f applicant) bool { return f.policy.Metadata.Name == item.Name })
	if i < 0 {
		return filter.Policy{}, fmt.Errorf("%s holds no policy %s", item.File, item.Name)
	}
	return found[i].policy, nil
}

// applicant is a policy with the document that it came in.
type applicant struct {
	policy   filter.Policy
	document jetstream.PolicyDocument
}

// parse reads policies as strictly as the configuration. The error lists every
// problem at its place; its class is fault.Usage.
func parse(documents []jetstream.PolicyDocument, cluster filter.Cluster) ([]applicant, error) {
	var r strictyaml.Report
	var found []applicant
	var all []filter.Policy
	for _, d := range documents {
		for _, p := range filter.Parse(&r, d.File, []byte(d.Text), cluster) {
			found = append(found, applicant{p, d})
			all = append(all, p)
		}
	}
	filter.CheckDistinct(all)
	if err := r.Err(); err != nil {
		return nil, err
	}
	for _, p := range all {
		if p.PerEdge() {
			continue // compiled once it is filled in
		}
		if _, err := filter.Compile(p, cluster); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// owns is the policy of that name in the configuration, or nil.
func (p *policies) owns(name string) *filter.Policy {
	for i := range p.all[:p.own] {
		if p.all[i].Metadata.Name == name {
			return &p.all[i]
		}
	}
	return nil
}

// find is the policy of that name, or why there is none.
func (p *policies) find(name string) (filter.Policy, error) {
	if err := p.broken[name]; err != nil {
		return filter.Policy{}, fault.New(fault.Usage, "correct it and run: syncer policy apply -f FILE", "policy %s was applied and cannot be used: %w", name, err)
	}
	i := slices.IndexFunc(p.all, func(one filter.Policy) bool { return one.Metadata.Name == name })
	if i < 0 {
		return filter.Policy{}, fault.New(fault.Usage, "syncer policy apply -f FILE, or add it to the exporter's configuration, or pair the edge with another one",
			"this exporter has no policy %s", name)
	}
	return p.all[i], nil
}

// state says what applying an item would do to the policy of its name.
func (p *policies) state(item jetstream.AppliedPolicy) string {
	if p.owns(item.Name) != nil {
		return command.PolicyChanged
	}
	for _, old := range p.applied.Items {
		if old.Name == item.Name && old.Text == item.Text {
			return command.PolicyUnchanged
		}
		if old.Name == item.Name {
			return command.PolicyChanged
		}
	}
	return command.PolicyNew
}

// showing are the policies as they would be if items counted more than the
// configuration, which may be planned and not applied.
func (p *policies) showing(items []jetstream.AppliedPolicy) *policies {
	own := slices.DeleteFunc(slices.Clone(p.all[:p.own]), func(policy filter.Policy) bool {
		return slices.ContainsFunc(items, func(it jetstream.AppliedPolicy) bool { return it.Name == policy.Metadata.Name })
	})
	return gather(own, p.applied, p.cluster)
}

// with are the policies after others were applied.
func (p *policies) with(applied []jetstream.AppliedPolicy) *policies {
	next := jetstream.Policies{Generation: p.applied.Generation + 1}
	for _, old := range p.applied.Items {
		if !slices.ContainsFunc(applied, func(a jetstream.AppliedPolicy) bool { return a.Name == old.Name }) {
			next.Items = append(next.Items, old)
		}
	}
	next.Items = append(next.Items, applied...)
	return gather(p.all[:p.own], next, p.cluster)
}

// without are the policies after one was removed.
func (p *policies) without(name string) *policies {
	next := jetstream.Policies{Generation: p.applied.Generation + 1}
	for _, old := range p.applied.Items {
		if old.Name != name {
			next.Items = append(next.Items, old)
		}
	}
	return gather(p.all[:p.own], next, p.cluster)
}

// copyFile is the file with the exporter's own copy of what was applied: what
// a hub has lost is put back from it, and it serves while the hub is away.
const copyFile = "policies.json"

// readCopy gives the exporter's copy of the applied policies; none is the zero
// value.
func readCopy(dir string) (jetstream.Policies, error) {
	var p jetstream.Policies
	data, err := os.ReadFile(filepath.Join(dir, copyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = p.Decode(data)
	}
	if err != nil {
		return jetstream.Policies{}, fmt.Errorf("read the copy of the applied policies, %s: %w", filepath.Join(dir, copyFile), err)
	}
	return p, nil
}

// writeCopy replaces the copy. On return it is durable.
func writeCopy(dir string, p jetstream.Policies) error {
	data, err := p.Encode()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, copyFile)
	if err = writeBeside(path, data); err == nil {
		failpoint.Hit(failpoint.PolicyCopyBefore)
		err = putInPlace(path)
	}
	if err != nil {
		return fault.New(fault.General, "check that the data directory is writable and has space", "write the copy of the applied policies, %s: %w", path, err)
	}
	failpoint.Hit(failpoint.PolicyCopyAfter)
	return nil
}
