//go:build fault

package main_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestFaultKilledWhilePoliciesAreApplied kills the hub or the exporter around
// each of many applies. What was confirmed is in force, and the edge receives all
// the while.
func TestFaultKilledWhilePoliciesAreApplied(t *testing.T) {
	r := newRig(t, false)
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	for i := range rounds(t, fullRounds) {
		r.write("more.yaml", fmt.Sprintf("apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: more}\nspec: {rules: [{prefix: /more/%d/}]}\n", i))
		applied := make(chan error, 1)
		go func() { applied <- r.applies(r.path("more.yaml")) }()
		r.pause(300 * time.Millisecond)
		[]*daemon{r.hub, r.exporter}[r.random.IntN(2)].kill(t)
		if err := <-applied; err != nil {
			t.Fatal(err)
		}
		r.exporter.kill(t)
		r.inForce(fmt.Sprintf("/more/%d/", i))
	}
	stop()
	r.settle()
}

// inForce waits for an exporter to say which policy it follows.
func (r *rig) inForce(part string) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		res, err := r.command(r.t.Context(), "policy", "show", "more", "-c", r.path("cloud.yaml"))
		if err == nil && res.code == 0 {
			if !strings.Contains(string(res.stdout), part) {
				r.t.Fatalf("the policy in force lacks %s:\n%s", part, res.stdout)
			}
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("exit code %d, %v\n%s", res.code, err, res.stderr)
		}
	}
}
