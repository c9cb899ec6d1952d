package config

import (
	"time"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/strictyaml"
)

// Exporter configures `syncer export`.
type Exporter struct {
	// APIVersion is "syncer/v1alpha1". Required.
	APIVersion string `yaml:"apiVersion,required"`
	// Kind is "Exporter". Required.
	Kind string `yaml:"kind,required"`
	// Name of the source: lower-case letters, digits and inner hyphens, at
	// most 63. It names the stream on the hub. Required.
	Name string `yaml:"name,required"`
	// Source is the cluster to read from. Required.
	Source Source `yaml:"source"`
	// Hub carries the changes. Required.
	Hub Hub `yaml:"hub"`
	// Policies are files with policies, or globs of them. Default none: then
	// they come by "syncer policy apply". A policy of a file cannot be applied.
	Policies []string `yaml:"policies"`
	// DataDir holds the exporter's index; losing it costs time only.
	// Required.
	DataDir string `yaml:"dataDir"`
	// Heartbeat is the pause between two heartbeats of an idle channel, from
	// 100ms to 1m. Default 2s.
	Heartbeat time.Duration `yaml:"heartbeat"`
	// Stream bounds what the hub keeps for edges that are away.
	Stream Stream `yaml:"stream"`
	// Spool bounds what the exporter keeps while the hub is away.
	Spool Spool `yaml:"spool"`
	// Metrics serves metrics. Default off.
	Metrics Metrics `yaml:"metrics"`

	// Loaded are the policies of those files, in their order, and sound.
	Loaded []filter.Policy `yaml:"-"`
}

// Hub is either run by the exporter or reached by URL.
type Hub struct {
	// Embedded runs the hub inside the exporter. Default none; this or URL is
	// required.
	Embedded *EmbeddedHub `yaml:"embedded"`
	// URL is where the hub listens: nats, tls, ws or wss, several separated
	// by commas. Default none.
	URL string `yaml:"url"`
	// Credentials is a file with the exporter's nkey seed, or a NATS
	// credentials file. Default none: connect without.
	Credentials string `yaml:"credentials"`
	// TLS is how to trust the hub of a URL. Default: the roots of the system
	// when the hub asks for TLS.
	TLS *TLS `yaml:"tls"`
}

// Link is how the exporter reaches a hub that it does not run.
func (h Hub) Link() HubLink {
	return HubLink{URL: h.URL, Credentials: h.Credentials, TLS: h.TLS}
}

// EmbeddedHub is a hub inside the exporter's process.
type EmbeddedHub struct {
	// DataDir holds the hub's streams. Default: "hub" in the exporter's
	// dataDir.
	DataDir string `yaml:"dataDir"`
	// Listen is the address for edges, host:port. Default 127.0.0.1:4222.
	Listen string `yaml:"listen"`
	// TLS is the certificate of the hub. Default none: edges connect without
	// TLS.
	TLS *ServerTLS `yaml:"tls"`
	// MaxBytes is the most that all streams may take on disk, in bytes; at
	// least stream.maxBytes. Default twice stream.maxBytes.
	MaxBytes strictyaml.Bytes `yaml:"maxBytes"`
}

// Stream bounds the stream of the source. An edge that was away for longer
// than it reaches compares contents instead.
type Stream struct {
	// MaxBytes is the most that the stream keeps, in bytes, at least 1MiB.
	// Default 4GiB.
	MaxBytes strictyaml.Bytes `yaml:"maxBytes"`
	// MaxAge is how long the stream keeps a change, at least 1m. Default 72h.
	MaxAge time.Duration `yaml:"maxAge"`
	// Replicas is on how many servers of the hub the stream is kept: 1, 3 or
	// 5. Default 1.
	Replicas int `yaml:"replicas"`
}

// Spool is the exporter's write-ahead log of what happens at the source while
// the hub is away. What does not fit is compared instead when the hub is back.
type Spool struct {
	// MaxBytes is the most that it keeps of one channel, in bytes, at least
	// 1MiB. Default 256MiB.
	MaxBytes strictyaml.Bytes `yaml:"maxBytes"`
}

// Metrics is the endpoint for Prometheus.
type Metrics struct {
	// Listen is the address, host:port. Default "": no metrics.
	Listen string `yaml:"listen"`
}
