package object

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// sample is a line of the frozen samples: what a real control plane stored, and
// the object as its API server showed it.
type sample struct {
	Key     string
	Value   []byte
	Deleted bool
	Served  json.RawMessage
}

func readSamples(t *testing.T, name string) (all []sample) {
	t.Helper()
	f, err := os.Open("../../testdata/kubernetes/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no samples of a control plane have been made: " + name)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for d := json.NewDecoder(r); ; {
		var s sample
		switch err := d.Decode(&s); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, s)
	}
}

// What a control plane keeps beside objects.
var bookkeeping = []string{"/registry/ranges/", "/registry/peerserverleases/", "/registry/masterleases/", "/registry/health"}

// parsed is the key of a sample; false for bookkeeping.
func (s sample) parsed(t *testing.T) (Key, bool) {
	t.Helper()
	for _, prefix := range bookkeeping {
		if strings.HasPrefix(s.Key, prefix) {
			return Key{}, false
		}
	}
	k, err := ParseKey("/registry", []byte(s.Key))
	if err != nil {
		t.Error(err)
	}
	return k, err == nil
}

// Both sets together hold an object of every kind.
var clusters = []string{"stored.jsonl.zst", "alpha.jsonl.zst"}

// The whole list of resources of a cluster goes through the codec: every kind
// decodes, its intent is the same from what is stored and from what is served,
// and the intent of the intent is itself.
func TestIntentOfEverythingThatAControlPlaneStores(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range clusters {
		objects, served := 0, 0
		for _, s := range readSamples(t, name) {
			k, ok := s.parsed(t)
			if !ok {
				continue
			}
			objects++
			seen[k.Word()] = true
			if s.checkIntent(t, k) {
				served++
			}
		}
		if objects < 200 || served < objects*9/10 {
			t.Errorf("%s: %d objects, %d served", name, objects, served)
		}
	}
	for _, word := range append(Words(), "widgets.example.com") {
		if !seen[word] {
			t.Errorf("the samples hold no object of %s", word)
		}
	}
}

// checkIntent reports whether the sample shows how the object is served, in the
// version that is stored.
func (s sample) checkIntent(t *testing.T, k Key) (served bool) {
	t.Helper()
	checkMeta(t, k, s.Value)
	stored := intent(t, k, s.Value)
	if again := intent(t, k, stored); !bytes.Equal(stored, again) {
		t.Errorf("%s: the intent of the intent is another:\n%s\n%s", k, stored, again)
	}
	if err := Fits(k.Word(), stored); err != nil {
		t.Errorf("%s: the intent does not fit: %v", k, err)
	}
	if len(s.Served) == 0 || !s.servedAsStored(t, k) {
		return false
	}
	if shown := intent(t, k, s.Served); !bytes.Equal(stored, shown) {
		t.Errorf("%s: what is stored and what is served have different intents:\n%s\n%s", k, stored, shown)
	}
	return true
}

// servedAsStored is false for what an API server stores in an older version
// than the one that it prefers to show.
func (s sample) servedAsStored(t *testing.T, k Key) bool {
	t.Helper()
	r, ok := Lookup(k.Word())
	if !ok {
		t.Errorf("%s: no resource", k)
	}
	return r.Custom || metaOf(t, s.Served).APIVersion == r.gvk().GroupVersion().String()
}

func isDenied(t *testing.T, k Key) bool {
	t.Helper()
	r, ok := Lookup(k.Word())
	if !ok {
		t.Errorf("%s: no resource", k)
	}
	return r.Class == Deny
}

// isWithheld tells what a cluster makes for itself, and in its own way.
func isWithheld(t *testing.T, k Key, value []byte) bool {
	t.Helper()
	_, withheld := Withheld(k, metaOf(t, value))
	return withheld
}

// checkMeta holds the metadata that is read from the bytes against the decoded
// object.
func checkMeta(t *testing.T, k Key, value []byte) {
	t.Helper()
	m := metaOf(t, value)
	o, err := Decode(k, value)
	if err != nil {
		t.Fatalf("%s: %v", k, err)
	}
	metadata := child(o.Fields(), "metadata")
	if m.Name != k.Name || m.Namespace != k.Namespace || m.UID != metadata["uid"] || m.Kind != o.Fields()["kind"] {
		t.Errorf("%s: %+v", k, m)
	}
	for label, v := range child(metadata, "labels") {
		if got, ok := m.Lookup(label); !ok || got != v {
			t.Errorf("%s: label %s is %q, %v; want %q", k, label, got, ok, v)
		}
	}
	controlled := false
	for _, owner := range list(metadata, "ownerReferences") {
		controlled = controlled || owner.(map[string]any)["controller"] == true
	}
	if _, deleting := metadata["deletionTimestamp"]; m.Controlled != controlled || m.Deleting != deleting {
		t.Errorf("%s: %+v", k, m)
	}
}

func TestIntentOfJSONStorageIsTheSame(t *testing.T) {
	protobuf := map[string][]byte{}
	for _, s := range readSamples(t, "stored.jsonl.zst") {
		protobuf[s.Key] = s.Value
	}
	same, encrypted := 0, 0
	for _, s := range readSamples(t, "json.jsonl.zst") {
		k, ok := s.parsed(t)
		if !ok {
			continue
		}
		if bytes.HasPrefix(s.Value, encryptedMagic) {
			encrypted++
			var r *Refusal
			if _, err := Decode(k, s.Value); !errors.As(err, &r) || !strings.Contains(r.Reason, "encrypted at rest") {
				t.Errorf("%s: %v", k, err)
			}
			continue
		}
		checkMeta(t, k, s.Value)
		got := intent(t, k, s.Value)
		if other := protobuf[s.Key]; k.Namespace == "shop" && other != nil && !isDenied(t, k) && !isWithheld(t, k, s.Value) {
			if want := intent(t, k, other); !bytes.Equal(got, want) {
				t.Errorf("%s:\n%s\n%s", k, got, want)
			}
			same++
		}
	}
	if same < 10 || encrypted == 0 {
		t.Errorf("%d the same, %d encrypted", same, encrypted)
	}
}

func TestARolloutChangesTheIntentTwice(t *testing.T) {
	events, changes := map[string]int{}, 0
	var last []byte
	for _, s := range readSamples(t, "rollout.jsonl.zst") {
		k, ok := s.parsed(t)
		events[k.Word()]++
		if !ok || s.Deleted || k.Word() == "events" {
			continue
		}
		if reason, withheld := Withheld(k, metaOf(t, s.Value)); withheld {
			continue
		} else if k.Word() != "deployments.apps" {
			t.Errorf("%s crosses: %q", k, reason)
		}
		if now := intent(t, k, s.Value); !bytes.Equal(now, last) {
			changes, last = changes+1, now
		}
	}
	want := map[string]int{"deployments.apps": 13, "replicasets.apps": 29, "pods": 45, "events": 33}
	if !maps.Equal(events, want) || changes != 2 {
		t.Errorf("%d changes in %v, want 2 in %v", changes, events, want)
	}
}
