package kube

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter"
)

func TestSamplesComeBackAsWritten(t *testing.T) {
	want := []Sample{
		{Key: "/registry/a", ModRevision: 7, Value: []byte("k8s\x00\xff"), Served: []byte(`{"a":1}`)},
		{Key: "/registry/b", ModRevision: 8, Deleted: true},
	}
	path := t.TempDir() + "/samples"
	if err := WriteSamples(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadSamples(path)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

// Secrets that are encrypted at rest are refused one by one, and in words that
// help: they are neither skipped nor taken for deleted.
func TestSecretsThatAreEncryptedAtRestAreRefused(t *testing.T) {
	all, err := ReadSamples(samples + "json.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	s := manyKinds(t)
	encrypted := 0
	for _, sample := range all {
		o := s.Take([]byte(sample.Key), sample.Value)
		secret := bytes.HasPrefix(sample.Value, []byte("k8s:enc:"))
		switch {
		case !secret && o.Verdict == filter.Refused:
			t.Errorf("%s is refused: %s", sample.Key, o.Reason)
		case secret && (o.Verdict != filter.Refused || !strings.Contains(o.Reason, "encrypted at rest")):
			t.Errorf("%s: verdict %d, reason %q", sample.Key, o.Verdict, o.Reason)
		case secret:
			encrypted++
		}
	}
	if encrypted != 2 {
		t.Errorf("%d Secrets are encrypted; want 2", encrypted)
	}
}
