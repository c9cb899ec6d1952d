package config

import "github.com/syncer-io/syncer/filter/strictyaml"

// Importer configures `syncer import`. `syncer join` writes it.
type Importer struct {
	// APIVersion is "syncer/v1alpha1". Required.
	APIVersion string `yaml:"apiVersion,required"`
	// Kind is "Importer". Required.
	Kind string `yaml:"kind,required"`
	// Name of the edge: lower-case letters, digits and inner hyphens, at most
	// 63. Required.
	Name string `yaml:"name,required"`
	// Source is the name of the exporter. Required.
	Source string `yaml:"source,required"`
	// Channel is the name of the policy that the edge is paired with.
	// Required.
	Channel string `yaml:"channel,required"`
	// Hub carries the changes. Required.
	Hub HubLink `yaml:"hub"`
	// Target is the cluster to write to. Required.
	Target Cluster `yaml:"target"`
	// Accept is what may be written to the target, whatever the channel
	// delivers. What is not accepted waits, and the edge says so. Default:
	// everything but Secrets.
	Accept Accept `yaml:"accept"`
	// DataDir holds the inbox; losing it costs time only. Required.
	DataDir string `yaml:"dataDir"`
	// Inbox bounds what is received and not applied yet.
	Inbox Inbox `yaml:"inbox"`
	// Metrics serves metrics. Default off.
	Metrics Metrics `yaml:"metrics"`
}

// Accept is the word of whoever runs the edge. A list that is absent accepts
// everything.
type Accept struct {
	// Secrets lets Secrets of Kubernetes in, and values that may be one and
	// cannot be read. They are told by their keys and by their values. Default
	// false.
	Secrets bool `yaml:"secrets"`
	// Prefixes are what keys at the target may start with.
	Prefixes []string `yaml:"prefixes"`
	// Resources are those that Kubernetes objects may be of, named as in
	// policies: configmaps, deployments.apps.
	Resources []string `yaml:"resources"`
	// Namespaces are those that Kubernetes objects may lie in. It says nothing
	// about objects that lie in none.
	Namespaces []string `yaml:"namespaces"`
}

// HubLink is how to reach a hub.
type HubLink struct {
	// URL is where the hub listens: nats, tls, ws or wss, several separated
	// by commas. Required.
	URL string `yaml:"url"`
	// Credentials is a file with an nkey seed, or a NATS credentials file.
	// Default none: connect without.
	Credentials string `yaml:"credentials"`
	// TLS is how to trust the hub. Default: the roots of the system when the
	// hub asks for TLS.
	TLS *TLS `yaml:"tls"`
}

// Inbox is the importer's write-ahead log.
type Inbox struct {
	// MaxBytes is the most that it takes on disk, in bytes, at least 4MiB.
	// Default 64MiB.
	MaxBytes strictyaml.Bytes `yaml:"maxBytes"`
}
