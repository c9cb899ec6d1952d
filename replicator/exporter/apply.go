package exporter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// policy handles one request about policies. No two run at once.
func (t *term) policy(ctx context.Context, req jetstream.PolicyRequest, progress func(jetstream.PolicyProgress)) jetstream.PolicyReply {
	tell := func(keys uint64) { progress(jetstream.PolicyProgress{Keys: keys}) }
	var reply jetstream.PolicyReply
	var err error
	switch req.Verb {
	case jetstream.PlanPolicies:
		reply.Plan, _, err = t.planFor(ctx, req, tell)
	case jetstream.ApplyPolicies:
		reply.Plan, err = t.apply(ctx, req, tell)
	case jetstream.RemovePolicy:
		err = t.remove(ctx, req.Name)
	case jetstream.ListPolicies:
		reply.Policies, err = t.inForce(req.Name)
	default:
		err = fault.New(fault.Refused, "run the same version of syncer on both sides", "this exporter does not know what to %s policies is", req.Verb)
	}
	reply.Error = policyError(err)
	return reply
}

// policyError is how an error travels. One without a class may go away.
func policyError(err error) *jetstream.PolicyError {
	if err == nil {
		return nil
	}
	e := &jetstream.PolicyError{Message: err.Error(), Try: fault.Try(err)}
	var f *fault.Error
	if errors.As(err, &f) {
		e.Class = fault.Class(fault.ExitCode(err))
	}
	return e
}

// ask reads the policies of a request. They must not be the configuration's.
func (t *term) ask(req jetstream.PolicyRequest) ([]jetstream.AppliedPolicy, error) {
	found, err := parse(req.Documents, t.cfg.Cluster)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fault.New(fault.Usage, "give files with policies", "there is no policy to %s", req.Verb)
	}
	now := time.Now().UTC()
	var items []jetstream.AppliedPolicy
	for _, f := range found {
		name := f.policy.Metadata.Name
		if own := t.lastPolicies().owns(name); own != nil && req.Verb == jetstream.ApplyPolicies {
			return nil, fault.New(fault.Usage, "change that file and restart the exporter; or take it out of policies there, restart, and apply this one",
				"policy %s belongs to the exporter's configuration: %s", name, own.Origin())
		}
		items = append(items, jetstream.AppliedPolicy{Name: name, File: f.document.File, Text: f.document.Text, Applied: now})
	}
	return items, nil
}

// planFor says what the policies of a request would change, and gives the
// policies as they would be.
func (t *term) planFor(ctx context.Context, req jetstream.PolicyRequest, tell func(uint64)) (*command.PolicyPlan, *policies, error) {
	items, err := t.ask(req)
	if err != nil {
		return nil, nil, err
	}
	edges, err := t.pairs.Edges(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("list the pairs: %w", err)
	}
	if err := knows(edges, req.Edge); err != nil {
		return nil, nil, err
	}
	t.mu.Lock()
	now, next := enlist(t.policies, edges, t.roster, t.logger), t.policies.with(items)
	t.mu.Unlock()
	var names []string
	states := map[string]string{}
	for _, it := range items {
		names = append(names, it.Name)
		states[it.Name] = now.of.state(it)
	}
	s := newScale(now, enlist(next.showing(items), edges, roster{}, t.logger), names, req.Edge)
	s.progress = tell
	t.learnKept(ctx, s)
	plan := &command.PolicyPlan{}
	if plan.Revision, err = s.weigh(ctx, t.open); err != nil {
		return nil, nil, fmt.Errorf("weigh the policies: %w", err)
	}
	for _, name := range names {
		plan.Policies = append(plan.Policies, s.plan(name, states[name]))
	}
	return plan, next, nil
}

// knows is nil when an edge is paired, or none is named.
func knows(edges []Edge, name string) error {
	if name == "" || slices.ContainsFunc(edges, func(e Edge) bool { return e.Name == name }) {
		return nil
	}
	return fault.New(fault.Usage, "syncer pair list", "there is no edge %q", name)
}

// apply has policies in force. When it gives no error, the hub and the data
// directory hold them and the channels follow them.
func (t *term) apply(ctx context.Context, req jetstream.PolicyRequest, tell func(uint64)) (*command.PolicyPlan, error) {
	plan, next, err := t.planFor(ctx, req, tell)
	if err != nil {
		return nil, err
	}
	if n := plan.Stopped(); n > 0 && !req.Approve {
		return plan, fault.New(fault.Safety, "see which with syncer policy plan; if that is meant, apply again with --approve",
			"nothing was applied: it would delete more than the guard allows at %d of the rules that edges hold", n)
	}
	if n := plan.CutOff(); n > 0 && !req.Approve {
		return plan, fault.New(fault.Safety, "see which with syncer policy plan; if that is meant, apply again with --approve",
			"nothing was applied: %d edges that receive now would not any more", n)
	}
	if !plan.Changes() {
		return plan, nil
	}
	return plan, t.adopt(ctx, next)
}

// adopt stores policies and has the channels follow them.
func (t *term) adopt(ctx context.Context, next *policies) error {
	data, err := next.applied.Encode()
	if err != nil {
		return err
	}
	if len(data) > jetstream.MaxPolicies {
		return fault.New(fault.Usage, "remove policies that are not needed, or put some into the exporter's configuration",
			"all applied policies together take %d KiB, more than %d KiB", len(data)>>10, jetstream.MaxPolicies>>10)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	failpoint.Hit(failpoint.PolicyStoreBefore)
	at, err := t.store.Save(ctx, next.applied, t.at)
	if err != nil {
		// Whether the hub holds them is not known: what it holds counts.
		err = fmt.Errorf("store the policies on the hub: %w", err)
		if again := t.recallPolicies(ctx); again != nil {
			return errors.Join(err, again)
		}
		return errors.Join(err, t.followPolicies(ctx, t.policies))
	}
	failpoint.Hit(failpoint.PolicyStoreAfter)
	t.at = at
	t.logger.Info("policies were applied", "generation", next.applied.Generation)
	return errors.Join(writeCopy(t.cfg.DataDir, next.applied), t.followPolicies(ctx, next))
}

// followPolicies has the channels follow policies. The caller holds mu.
func (t *term) followPolicies(ctx context.Context, p *policies) error {
	edges, err := t.pairs.Edges(ctx)
	if err != nil {
		return fmt.Errorf("list the pairs: %w", err)
	}
	return t.muster(p, edges)
}

// remove has an applied policy in force no more, which nobody is paired with.
func (t *term) remove(ctx context.Context, name string) error {
	t.mu.Lock()
	now, places := t.policies, t.roster.places
	t.mu.Unlock()
	if own := now.owns(name); own != nil {
		return fault.New(fault.Usage, "take it out of that configuration and restart the exporter", "policy %s belongs to the exporter's configuration: %s", name, own.Origin())
	}
	if !slices.ContainsFunc(now.applied.Items, func(it jetstream.AppliedPolicy) bool { return it.Name == name }) {
		return fault.New(fault.Usage, "syncer policy list", "no policy %s was applied", name)
	}
	for _, edge := range slices.Sorted(maps.Keys(places)) {
		if places[edge].edge.Policy == name {
			return fault.New(fault.Usage, "pair it with another policy, or: syncer pair remove "+edge, "edge %s is paired with policy %s", edge, name)
		}
	}
	return t.adopt(ctx, now.without(name))
}
