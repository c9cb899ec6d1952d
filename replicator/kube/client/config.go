package client

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/fault"
)

// Config says which cluster is meant.
type Config struct {
	// Kubeconfig is a file; "" is the cluster of the pod that this runs in.
	Kubeconfig string
	// Context is one of the file; "" is its current one.
	Context string
	// Agent is what the server's audit log calls us.
	Agent string
}

func (c Config) rest() (*rest.Config, error) {
	if c.Kubeconfig == "" {
		return inCluster()
	}
	file, err := clientcmd.LoadFromFile(c.Kubeconfig)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.Usage, "check the path; inside a pod, leave kubeconfig out to use its service account",
			"there is no kubeconfig %s: %w", c.Kubeconfig, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fault.New(fault.Usage, "let the user of this process read the file", "read the kubeconfig: %w", err)
	case err != nil:
		return nil, fault.New(fault.Usage, "kubectl config view --kubeconfig "+c.Kubeconfig, "the kubeconfig %s is not readable: %w", c.Kubeconfig, err)
	}
	name := c.Context
	if name == "" {
		name = file.CurrentContext
	}
	if err := c.checkContext(file, name); err != nil {
		return nil, err
	}
	out, err := clientcmd.NewNonInteractiveClientConfig(*file, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, fault.New(fault.Usage, fmt.Sprintf("kubectl --kubeconfig %s --context %s get --raw /version", c.Kubeconfig, name),
			"the context %q of %s is not usable: %w", name, c.Kubeconfig, err)
	}
	return out, nil
}

// checkContext wants a context whose cluster and user are in the file.
func (c Config) checkContext(file *api.Config, name string) error {
	if name == "" {
		return fault.New(fault.Usage, "name one: "+listed(file.Contexts), "the kubeconfig %s has no current context", c.Kubeconfig)
	}
	context, ok := file.Contexts[name]
	if !ok {
		try := "use one of the file: " + listed(file.Contexts)
		if near := strictyaml.Nearest(name, slices.Sorted(maps.Keys(file.Contexts))); near != "" {
			try = fmt.Sprintf("did you mean %q?", near)
		}
		return fault.New(fault.Usage, try, "the kubeconfig %s has no context %q", c.Kubeconfig, name)
	}
	if _, ok := file.Clusters[context.Cluster]; !ok {
		return fault.New(fault.Usage, "use one of the file: "+listed(file.Clusters),
			"the context %q of %s is of the cluster %q, which is not there", name, c.Kubeconfig, context.Cluster)
	}
	if _, ok := file.AuthInfos[context.AuthInfo]; !ok && context.AuthInfo != "" {
		return fault.New(fault.Usage, "use one of the file: "+listed(file.AuthInfos),
			"the context %q of %s is of the user %q, who is not there", name, c.Kubeconfig, context.AuthInfo)
	}
	return nil
}

func listed[T any](named map[string]T) string {
	if len(named) == 0 {
		return "(it has none)"
	}
	return strings.Join(slices.Sorted(maps.Keys(named)), ", ")
}

func inCluster() (*rest.Config, error) {
	out, err := rest.InClusterConfig()
	if err != nil {
		return nil, fault.New(fault.Usage, "name a kubeconfig, or run in a pod with a service account",
			"this is no pod of a cluster: %w", err)
	}
	return out, nil
}
