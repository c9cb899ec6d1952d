package main

import "github.com/spf13/cobra"

func exitCodesTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long: `Exit codes. A code that is not in this list counts as a failure.

    0  success
    1  failure; of diff and verify: the sides differ, and nothing else
    2  usage, configuration or policy error
    3  a check failed, or not in sync; of diff and verify: it could not be told
    4  timed out; the message says what was seen last
    5  unreachable; worth trying again
    6  refused: authentication, permission, token
    7  stopped for safety: a mass delete that waits for approval, fenced by
       another process, corrupt data
  130  interrupted

Messages are on standard error: "Error:" says what happened, "Try:" what to do.
Data is on standard output.`,
	}
}

func configurationTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "configuration",
		Short: "Which file is used, and what flags and variables set",
		Long: `The configuration file is the first of these that is given or exists:

  -c FILE, $SYNCER_CONFIG
  for the cloud's commands: ./cloud.yaml, /etc/syncer/cloud.yaml, /etc/syncer/config.yaml
  for the edge's commands:  ./edge.yaml, /etc/syncer/edge.yaml, /etc/syncer/config.yaml
  for commands of both sides (resync, verify, diff, pause, resume, parked, doctor):
  those of the cloud, then those of the edge; the kind of the file says which

A value comes from the first of these that sets it: a flag, a variable, the
file, the default. Relative paths in a file are relative to the file.

Variables: SYNCER_CONFIG, SYNCER_HUB_URL, SYNCER_HUB_CREDENTIALS,
SYNCER_DATA_DIR, SYNCER_SOURCE_ENDPOINTS, SYNCER_TARGET_ENDPOINTS,
SYNCER_METRICS_LISTEN, SYNCER_HUB_LISTEN, SYNCER_TOKEN, SYNCER_LOG_LEVEL,
SYNCER_LOG_FORMAT, NO_COLOR, GOMEMLIMIT.

A minimal cloud.yaml:

  apiVersion: syncer/v1alpha1
  kind: Exporter
  name: cloud
  source: {etcd: {endpoints: [http://127.0.0.1:2379]}}
  hub: {url: nats://127.0.0.1:4222, credentials: hub/admin.nk}
  policies: [flags.yaml]
  dataDir: exporter

and its flags.yaml:

  apiVersion: syncer/v1alpha1
  kind: Policy
  metadata: {name: flags}
  spec:
    rules:
      - prefix: /flags/

The edge.yaml is written by syncer join.`,
	}
}
