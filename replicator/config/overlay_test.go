package config

import (
	"slices"
	"strings"
	"testing"
)

func environment(pairs ...string) Overlay {
	return FromEnvironment(func(name string) (string, bool) {
		for _, p := range pairs {
			if value, ok := strings.CutPrefix(p, name+"="); ok {
				return value, true
			}
		}
		return "", false
	})
}

func TestFlagsWinOverEnvironmentOverFile(t *testing.T) {
	inTestdata(t)
	env := environment(
		"SYNCER_HUB_URL=nats://env:4222", "SYNCER_DATA_DIR=env-data", "SYNCER_METRICS_LISTEN=",
		"SYNCER_TARGET_ENDPOINTS=http://a:2379,http://b:2379", "SYNCER_SOURCE_ENDPOINTS=ignored for an importer",
	)
	var flags Overlay
	flags.Set(HubURL, "nats://flag:4222", "--hub-url")
	i, err := LoadImporter("edge.yaml", env, flags)
	if err != nil {
		t.Fatal(err)
	}
	if i.Hub.URL != "nats://flag:4222" || i.DataDir != "env-data" || i.Metrics.Listen != "" {
		t.Errorf("got %+v", i)
	}
	if want := []string{"http://a:2379", "http://b:2379"}; !slices.Equal(i.Target.Etcd.Endpoints, want) {
		t.Errorf("endpoints are %v", i.Target.Etcd.Endpoints)
	}
}

func TestEnvironmentSetsWhatTheFileLeavesOut(t *testing.T) {
	inTestdata(t)
	_, err := LoadImporter("partial/edge.yaml", environment(
		"SYNCER_HUB_URL=nats://env:4222", "SYNCER_DATA_DIR=d", "SYNCER_TARGET_ENDPOINTS=http://a:2379",
		"SYNCER_HUB_CREDENTIALS=edge.yaml", "SYNCER_METRICS_LISTEN=:9090",
	))
	if err != nil {
		t.Error(err)
	}
	_, err = LoadExporter("partial/cloud.yaml", environment(
		"SYNCER_HUB_URL=nats://env:4222", "SYNCER_DATA_DIR=d", "SYNCER_SOURCE_ENDPOINTS=http://a:2379",
	))
	if err != nil {
		t.Error(err)
	}
}

func TestGoldenOverlay(t *testing.T) {
	inTestdata(t)
	var flags Overlay
	flags.Set(MetricsListen, "nowhere", "--metrics-listen")
	_, err := LoadExporter("cloud.yaml", environment(
		"SYNCER_HUB_URL=nats://env:4222", "SYNCER_SOURCE_ENDPOINTS=http://a:2379,b:2379",
	), flags)
	compareError(t, "bad/overlay.txt", err)
}
