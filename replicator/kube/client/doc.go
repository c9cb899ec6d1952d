// Package client reaches the API server of a Kubernetes cluster: the credentials
// of a kubeconfig or of the pod that it runs in, what resources the server has,
// and errors that say what to do about them.
package client
