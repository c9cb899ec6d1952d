package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
	syncstream "github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// lessPolicy brings a part of what policy brings.
const lessPolicy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  rules:
    - name: apps
      prefix: /apps/
      exclude: [/apps/bulk/]
`

// unconfigured is a site whose exporter's configuration has no policy.
func unconfigured(t *testing.T, options ...option) *site {
	t.Helper()
	s := newSite(t, options...)
	s.cloud.Loaded = nil
	return s
}

func (s *site) policies(req syncstream.PolicyRequest) (syncstream.PolicyReply, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	return syncstream.AskPolicy(ctx, s.admin, "cloud", req, func(syncstream.PolicyProgress) {})
}

func asked(verb syncstream.PolicyVerb, text string) syncstream.PolicyRequest {
	return syncstream.PolicyRequest{Verb: verb, Documents: []syncstream.PolicyDocument{{File: "flags.yaml", Text: text}}}
}

// apply has a policy in force, as soon as there is an exporter.
func (s *site) apply(text string) *command.PolicyPlan {
	s.t.Helper()
	var plan *command.PolicyPlan
	s.until("the policy is applied", func() bool {
		reply, err := s.policies(asked(syncstream.ApplyPolicies, text))
		if err != nil && fault.ExitCode(err) != int(fault.Unreachable) {
			s.t.Fatal(err)
		}
		plan = reply.Plan
		return err == nil
	})
	return plan
}

// bucket is what the hub keeps the applied policies in.
func (s *site) bucket() jetstream.KeyValue {
	s.t.Helper()
	kv, err := s.jetstream().KeyValue(s.t.Context(), syncstream.PolicyBucket("cloud"))
	if err != nil {
		s.t.Fatal(err)
	}
	return kv
}

// An exporter without a policy refuses its edges until one is applied. Another
// one takes effect while the source is written to, and back again.
func TestPolicyIsAppliedUnderLoad(t *testing.T) {
	t.Parallel()
	s := unconfigured(t)
	tr := s.record()
	s.load(t.Context(), workload.Load{Ops: 200})
	s.startExporter()
	s.startImporter()
	e := s.report("is refused", func(e status.Edge) bool { return e.State == status.Halted })
	if !strings.Contains(e.Reason, "no policy flags") || !strings.Contains(e.Try, "syncer policy apply") {
		t.Errorf("the edge says %q, %q", e.Reason, e.Try)
	}
	s.apply(policy)
	s.settle()
	s.check(tr)
	s.forget(tr) // from here on the selection changes
	s.fill("/more/", 5, 10)
	s.under(gentle(), func() {
		for range 3 {
			mark := s.reports.mark()
			plan := s.apply(policy + "    - {name: more, prefix: /more/}\n")
			if rules := plan.Policies[0].Rules; len(rules) != 3 || rules[2].Enter.Count != 5 {
				t.Errorf("the plan is %+v", rules)
			}
			s.until("more keys come", func() bool { return len(s.content(s.target.Client(), "/more/")) == 5 })
			s.reportSince(mark, "is in sync", in(status.InSync))
			s.apply(policy)
			s.until("they go", func() bool { return len(s.content(s.target.Client(), "/more/")) == 0 })
		}
	})
	s.settle()
}

// left is the rule of keys that a policy selects no more.
const left = "(no longer in the policy)"

// What would delete more than the guard allows is refused, and changes nothing.
func TestGuardStopsAnApply(t *testing.T) {
	t.Parallel()
	s := unconfigured(t)
	s.fill("/apps/bulk/", 40, 10)
	s.fill("/apps/", 40, 10)
	s.startExporter()
	s.startImporter()
	s.apply(strings.ReplaceAll(policy, "maxDeletePercent: 100", "maxDeletePercent: 20"))
	s.settle()
	reply, err := s.policies(asked(syncstream.ApplyPolicies, lessPolicy))
	if fault.ExitCode(err) != int(fault.Safety) || reply.Plan == nil || reply.Plan.Stopped() != 1 {
		t.Fatalf("%v, %+v", err, reply.Plan)
	}
	stop := reply.Plan.Policies[0].Stops[0]
	if stop.Rule != left || stop.Deletes != 40 || stop.Held != 40 || len(stop.Edges) != 1 || stop.Edges[0] != "store-1" {
		t.Errorf("the guard stops %+v", stop)
	}
	s.put("/apps/later", "still flows")
	s.settle()
	req := asked(syncstream.ApplyPolicies, lessPolicy)
	req.Approve = true
	if _, err := s.policies(req); err != nil {
		t.Fatal(err)
	}
	if parked := s.stopped(left); parked.Keys != 40 {
		t.Errorf("the edge asks about %d keys", parked.Keys)
	}
}

// What edges were left to keep counts as held: a policy that would delete it is
// refused, and when it is approved the guard of the edge asks.
func TestGuardStopsAnApplyThatDeletesOrphans(t *testing.T) {
	t.Parallel()
	guarded := func(policy string) string {
		return strings.ReplaceAll(policy, "maxDeletePercent: 100", "maxDeletePercent: 20")
	}
	s := unconfigured(t)
	for i := range 40 {
		s.putConfigMap(fmt.Sprintf("app-%02d", i), "true")
	}
	s.startExporter()
	s.startImporter()
	s.apply(guarded(orphanPolicy))
	s.report("is in sync with forty objects", func(e status.Edge) bool { return e.State == status.InSync && e.Keys == 40 })
	mark := s.reports.mark()
	for i := range 40 {
		s.putConfigMap(fmt.Sprintf("app-%02d", i), "false")
	}
	s.keeps("released", mark, 40, s.objects())
	reply, err := s.policies(asked(syncstream.ApplyPolicies, guarded(syncedPolicy)))
	if fault.ExitCode(err) != int(fault.Safety) || reply.Plan == nil || reply.Plan.Stopped() != 1 {
		t.Fatalf("%v, %+v", err, reply.Plan)
	}
	if stop := reply.Plan.Policies[0].Stops[0]; stop.Rule != "shop" || stop.Deletes != 40 || stop.Held != 40 {
		t.Errorf("the guard stops %+v", stop)
	}
	req := asked(syncstream.ApplyPolicies, guarded(syncedPolicy))
	req.Approve = true
	if _, err := s.policies(req); err != nil {
		t.Fatal(err)
	}
	if parked := s.stopped("shop"); parked.Keys != 40 {
		t.Errorf("the edge asks about %d keys", parked.Keys)
	}
}

// What cannot be read and was left to the edge stays there when no rule is about
// it any more, and the plan says so.
func TestPlanOfUnreadableObjectsOfADroppedRule(t *testing.T) {
	t.Parallel()
	flags := "    - {name: flags, prefix: /flags/}\n"
	s := unconfigured(t)
	s.putConfigMap("app", "true")
	s.put("/flags/a", "1")
	s.startExporter()
	s.startImporter()
	s.apply(syncedPolicy + flags)
	s.report("is in sync with two keys", func(e status.Edge) bool { return e.State == status.InSync && e.Keys == 2 })
	want := s.objects()
	s.put("/registry/configmaps/shop/app", "k8s:enc:aescbc:v1:key1:xxxx")
	s.until("it is released", func() bool { return len(s.released()) == 1 })
	head, _, _ := strings.Cut(syncedPolicy, "    - name: shop")
	mark := s.reports.mark()
	rules := s.apply(head + flags).Policies[0].Rules
	if last := rules[len(rules)-1]; last.Name != left || last.Held != 1 || last.Orphan.Count != 1 || last.Leave.Count != 0 {
		t.Errorf("the plan is %+v", rules)
	}
	s.keeps("rule dropped", mark, 1, want)
}

// A plan writes nothing: not at the hub, not in the data directory, not at the
// edge.
func TestPlanChangesNothing(t *testing.T) {
	t.Parallel()
	s := unconfigured(t)
	s.fill("/apps/bulk/", 40, 10)
	s.fill("/flags/", 7, 100)
	s.startExporter()
	s.startImporter()
	s.apply(policy)
	s.settle()
	s.until("the index is committed", func() bool { return s.beats(8) })
	before := s.footprint()
	for _, text := range []string{lessPolicy, policy, strings.ReplaceAll(policy, "name: flags}", "name: others}")} {
		reply, err := s.policies(asked(syncstream.PlanPolicies, text))
		if err != nil || reply.Plan == nil {
			t.Fatal(err)
		}
	}
	s.until("heartbeats follow", func() bool { return s.beats(8) })
	after := s.footprint()
	for what, was := range before {
		if after[what] != was {
			t.Errorf("%s was %.80q and is %.80q", what, was, after[what])
		}
	}
}

// beats waits for so many more heartbeats.
func (s *site) beats(n uint64) bool {
	from := s.lastSeq()
	s.until("heartbeats", func() bool { return s.lastSeq() >= from+n })
	return true
}

// footprint is what a plan could have changed.
func (s *site) footprint() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, name := range []string{"index-flags.db", "policies.json", "channels.json"} {
		raw, err := os.ReadFile(filepath.Join(s.cloud.DataDir, name))
		if err != nil {
			s.t.Fatal(err)
		}
		out[name] = string(raw)
	}
	files, err := filepath.Glob(filepath.Join(s.cloud.DataDir, "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	out["files"] = strings.Join(files, " ")
	at, err := s.bucket().Get(s.t.Context(), "policies")
	if err != nil {
		s.t.Fatal(err)
	}
	out["bucket"] = string(at.Value())
	for k, v := range s.content(s.target.Client(), "") {
		if !strings.HasPrefix(k, "/syncer/") {
			out["target "+k] = v
		}
	}
	for seq := uint64(1); seq <= s.lastSeq(); seq++ {
		m, err := s.stream().GetMsg(s.t.Context(), seq)
		if err != nil {
			continue
		}
		if f, err := change.DecodeFrame(m.Data); err != nil || f.Kind != change.KindHeartbeat {
			out["messages"] += m.Subject + " " // that are no heartbeats
		}
	}
	return out
}

// A hub that lost the policies gets them back from the exporter, and an
// exporter that lost its copy takes the hub's.
func TestAppliedPoliciesAreLost(t *testing.T) {
	t.Parallel()
	s := unconfigured(t)
	s.load(t.Context(), workload.Load{Ops: 100})
	stop := s.startExporter()
	s.startImporter()
	s.apply(lessPolicy)
	s.apply(policy)
	s.settle()
	stop()
	if err := s.jetstream().DeleteKeyValue(t.Context(), syncstream.PolicyBucket("cloud")); err != nil {
		t.Fatal(err)
	}
	stop = s.startExporter()
	s.put("/flags/later", "1")
	s.settle()
	if held, err := s.bucket().Get(t.Context(), "policies"); err != nil || !strings.Contains(string(held.Value()), "/edge/flags/") {
		t.Errorf("the hub holds %v, %v", held, err)
	}
	stop()
	s.remove(filepath.Join(s.cloud.DataDir, "policies.json"))
	s.startExporter()
	s.put("/flags/later", "2")
	s.settle()
}

// A standby takes over with the policies that the other one was given.
func TestStandbyTakesOverWithAppliedPolicies(t *testing.T) {
	t.Parallel()
	s := unconfigured(t)
	s.load(t.Context(), workload.Load{Ops: 100})
	stop := s.startExporter()
	s.startImporter()
	s.apply(lessPolicy)
	s.second()
	first := s.exporterReport("is active", func(e status.Exporter) bool { return e.Role == "active" }).Instance
	s.apply(policy)
	s.settle()
	stop()
	s.exporterReport("is the standby's", func(e status.Exporter) bool { return e.Instance != first && len(e.Channels) == 1 })
	s.load(t.Context(), workload.Load{Ops: 100})
	s.settle()
	reply, err := s.policies(syncstream.PolicyRequest{Verb: syncstream.ListPolicies, Name: "flags"})
	if err != nil || len(reply.Policies) != 1 || !strings.Contains(reply.Policies[0].Text, "/edge/flags/") {
		t.Errorf("the standby follows %+v, %v", reply.Policies, err)
	}
}
