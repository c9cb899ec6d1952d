package kube

import (
	"context"
	"fmt"
)

// WaitRolledOut waits until a Deployment is what was asked for: every replica
// of the newest kind, and available.
func (p *Plane) WaitRolledOut(ctx context.Context, namespace, name string) error {
	return p.Await(ctx, "the rollout of "+namespace+"/"+name, func(ctx context.Context) error {
		u, err := p.client.Get(ctx, "deployments.apps", namespace, name)
		if err != nil {
			return err
		}
		spec, _ := u.Object["spec"].(map[string]any)
		status, _ := u.Object["status"].(map[string]any)
		if status["observedGeneration"] != u.GetGeneration() {
			return fmt.Errorf("generation %v of %d was seen", status["observedGeneration"], u.GetGeneration())
		}
		for _, count := range []string{"replicas", "updatedReplicas", "availableReplicas"} {
			if status[count] != spec["replicas"] {
				return fmt.Errorf("%s is %v of %v", count, status[count], spec["replicas"])
			}
		}
		return nil
	})
}
