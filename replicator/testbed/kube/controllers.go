package kube

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

func (p *Plane) startControllers(ctx context.Context, nodes int) error {
	if err := p.rootCA(); err != nil {
		return err
	}
	if err := p.writeKubeconfig(); err != nil {
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
	if nodes > 0 {
		if err := p.startNodes(ctx, nodes); err != nil {
			return err
		}
	}
	return p.await(ctx, "wait for the controllers", func(ctx context.Context) error {
		_, err := p.client.Get(ctx, "serviceaccounts", "default", "default")
		return err
	})
}

func (p *Plane) startNodes(ctx context.Context, nodes int) error {
	stages, err := filepath.Glob(filepath.Join(p.bin, "stages", "*.yaml"))
	if err != nil {
		return fmt.Errorf("find kwok's stages: %w", err)
	}
	args := []string{"--kubeconfig=" + p.Kubeconfig(), "--manage-all-nodes=true", "--node-lease-duration-seconds=40"}
	for _, stage := range stages {
		args = append(args, "--config="+stage)
	}
	if err := p.run("kwok", args...); err != nil {
		return err
	}
	for i := range nodes {
		err := p.client.Apply(ctx, map[string]any{
			"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": fmt.Sprintf("node-%d", i)},
			"status": map[string]any{"allocatable": map[string]any{"cpu": "32", "memory": "256Gi", "pods": "110"}, "capacity": map[string]any{"cpu": "32", "memory": "256Gi", "pods": "110"}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Kubeconfig is the file with which an administrator reaches the control plane.
func (p *Plane) Kubeconfig() string { return p.path("kubeconfig") }

func (p *Plane) writeKubeconfig() error {
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
  - {name: plane, cluster: {server: %q, insecure-skip-tls-verify: true}}
users:
  - {name: admin, user: {token: %s}}
contexts:
  - {name: plane, context: {cluster: plane, user: admin}}
current-context: plane
`, p.Config.Host, token)
	if err := os.WriteFile(p.Kubeconfig(), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	return nil
}
