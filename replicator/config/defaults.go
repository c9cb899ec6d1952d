package config

import (
	"path/filepath"
	"time"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/strictyaml"
)

// APIVersion is the version of the configuration files this package reads.
const APIVersion = filter.APIVersion

// The kinds of configuration files.
const (
	KindExporter = "Exporter"
	KindImporter = "Importer"
)

// The defaults and bounds of the tuning fields.
const (
	DefaultHeartbeat      = 2 * time.Second
	MinHeartbeat          = 100 * time.Millisecond
	MaxHeartbeat          = time.Minute
	DefaultStreamMaxBytes = 4 * strictyaml.GiB
	MinStreamMaxBytes     = 1 * strictyaml.MiB
	DefaultStreamMaxAge   = 72 * time.Hour
	MinStreamMaxAge       = time.Minute
	DefaultReplicas       = 1
	DefaultSpoolMaxBytes  = 256 * strictyaml.MiB
	MinSpoolMaxBytes      = 1 * strictyaml.MiB
	DefaultInboxMaxBytes  = 64 * strictyaml.MiB
	MinInboxMaxBytes      = 4 * strictyaml.MiB
	DefaultHubListen      = "127.0.0.1:4222"
)

// SetDefaults fills every field that is not set and has a default.
func (e *Exporter) SetDefaults() {
	fill(&e.Heartbeat, DefaultHeartbeat)
	fill(&e.Source.KubernetesPrefix, filter.DefaultCluster.Prefix)
	fill(&e.Stream.MaxBytes, DefaultStreamMaxBytes)
	fill(&e.Stream.MaxAge, DefaultStreamMaxAge)
	fill(&e.Stream.Replicas, DefaultReplicas)
	fill(&e.Spool.MaxBytes, DefaultSpoolMaxBytes)
	if h := e.Hub.Embedded; h != nil {
		fill(&h.DataDir, filepath.Join(e.DataDir, "hub"))
		fill(&h.Listen, DefaultHubListen)
		fill(&h.MaxBytes, 2*e.Stream.MaxBytes)
	}
}

// SetDefaults fills every field that is not set and has a default.
func (i *Importer) SetDefaults() {
	fill(&i.Inbox.MaxBytes, DefaultInboxMaxBytes)
	fill(&i.Target.KubernetesPrefix, filter.DefaultCluster.Prefix)
}

func fill[T comparable](field *T, value T) {
	var unset T
	if *field == unset {
		*field = value
	}
}
