package main

import (
	"github.com/spf13/pflag"

	"github.com/syncer-io/syncer/replicator/config"
)

// daemonFlags are the fields of a configuration file that flags may set. The
// variables of the same names are read by package config.
type daemonFlags struct {
	values map[string]*string
	flags  *pflag.FlagSet
}

type daemonFlag struct {
	name    string
	setting config.Setting
	usage   string
}

func commonDaemonFlags() []daemonFlag {
	return []daemonFlag{
		{"hub-url", config.HubURL, "`url` of the hub, over hub.url [$SYNCER_HUB_URL]"},
		{"hub-credentials", config.HubCredentials, "credentials `file` for the hub, over hub.credentials [$SYNCER_HUB_CREDENTIALS]"},
		{"data-dir", config.DataDir, "data `directory`, over dataDir [$SYNCER_DATA_DIR]"},
		{"metrics-listen", config.MetricsListen, "`address` for metrics, over metrics.listen [$SYNCER_METRICS_LISTEN]"},
	}
}

func exporterFlags() []daemonFlag {
	return append(commonDaemonFlags(),
		daemonFlag{"source-endpoints", config.SourceEndpoints, "`urls` of the source etcd, over source.etcd.endpoints [$SYNCER_SOURCE_ENDPOINTS]"})
}

func importerFlags() []daemonFlag {
	return append(commonDaemonFlags(),
		daemonFlag{"target-endpoints", config.TargetEndpoints, "`urls` of the target etcd, over target.etcd.endpoints [$SYNCER_TARGET_ENDPOINTS]"})
}

func (d *daemonFlags) add(flags *pflag.FlagSet, list []daemonFlag) {
	d.values, d.flags = map[string]*string{}, flags
	for _, f := range list {
		d.values[f.name] = flags.String(f.name, "", f.usage)
	}
}

// overlay holds the flags that were given.
func (d *daemonFlags) overlay(list []daemonFlag) config.Overlay {
	var o config.Overlay
	for _, f := range list {
		if d.flags.Changed(f.name) {
			o.Set(f.setting, *d.values[f.name], "--"+f.name)
		}
	}
	return o
}
