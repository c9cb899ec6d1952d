package kube

import (
	"context"
	"fmt"
)

func (p *Plane) startControllers(ctx context.Context) error {
	if err := p.writeRootCA(); err != nil {
		return err
	}
	err := p.run("kube-controller-manager",
		"--kubeconfig="+p.Kubeconfig(),
		"--service-account-private-key-file="+p.path("accounts.pem"),
		"--root-ca-file="+p.path("ca.crt"),
		"--leader-elect=false", "--secure-port=0")
	if err != nil {
		return err
	}
	if err := p.run("kube-scheduler", "--kubeconfig="+p.Kubeconfig(), "--leader-elect=false", "--secure-port=0"); err != nil {
		return err
	}
	// What pods need, and what the last of the controllers to start makes.
	return p.Await(ctx, "the controllers", func(ctx context.Context) error {
		_, err := p.client.Get(ctx, "serviceaccounts", "default", "default")
		return err
	})
}

// startNodes has kwok play nodes that run every pod at once.
func (p *Plane) startNodes(ctx context.Context, nodes int) error {
	files, err := stages(p.bin)
	if err != nil {
		return err
	}
	args := []string{"--kubeconfig=" + p.Kubeconfig(), "--manage-all-nodes=true", "--node-lease-duration-seconds=40"}
	for _, file := range files {
		args = append(args, "--config="+file)
	}
	if err := p.run("kwok", args...); err != nil {
		return err
	}
	for i := range nodes {
		node := map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": fmt.Sprintf("node-%d", i)}}
		if err := p.client.Apply(ctx, node); err != nil {
			return err
		}
	}
	return nil
}
