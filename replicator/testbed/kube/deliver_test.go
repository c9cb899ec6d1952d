package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/strictyaml"
)

// manyKinds selects all that a policy can select by naming it.
func manyKinds(t *testing.T) *filter.Selection {
	t.Helper()
	words := []string{"widgets.example.com", "zones.example.com"}
	for _, r := range object.Resources() {
		if r.Word != "secrets" && r.Class != object.Deny {
			words = append(words, r.Word)
		}
	}
	return compile(t, fmt.Sprintf(`apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: much}
spec:
  rules:
    - name: much
      resources: [%s]
    - name: secrets
      resources: [secrets]
      namespaces: [shop]
      allowSecrets: true
`, strings.Join(words, ", ")))
}

func compile(t *testing.T, text string) *filter.Selection {
	t.Helper()
	cluster := filter.Cluster{Prefix: Root}
	var r strictyaml.Report
	policies := filter.Parse(&r, "policy.yaml", []byte(text), cluster)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	s, err := filter.Compile(policies[0], cluster)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// delivered are the objects of a cluster's samples that cross, as an edge gets
// them, in an order in which it can take them.
func delivered(t *testing.T, s *filter.Selection, all []Sample) (objects []map[string]any) {
	t.Helper()
	for _, sample := range all {
		o := s.Take([]byte(sample.Key), sample.Value)
		if o.Verdict == filter.Refused {
			t.Errorf("%s is refused: %s", sample.Key, o.Reason)
		}
		if o.Verdict != filter.Selected {
			continue
		}
		var object map[string]any
		if err := json.Unmarshal(o.Value, &object); err != nil {
			t.Fatalf("%s: %v", o.Key, err)
		}
		objects = append(objects, object)
	}
	InOrder(objects)
	return objects
}

// Another cluster takes everything that a policy delivers, and taking it again
// writes nothing.
func TestAnotherClusterTakesWhatIsDelivered(t *testing.T) {
	all, err := ReadSamples(samples + "stored.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	p := New(t, Options{})
	objects := delivered(t, manyKinds(t), all)
	if len(objects) < 40 {
		t.Errorf("only %d objects cross", len(objects))
	}
	// Twice: some defaults, like the phase of a claim, an API server shows from
	// the start and stores with the second write only.
	for _, object := range slices.Concat(objects, objects) {
		if err := p.take(t.Context(), object); err != nil {
			t.Error(err)
		}
	}
	for _, object := range objects {
		if err := p.takeAgain(t.Context(), object); err != nil {
			t.Error(err)
		}
	}
}

const edge = "syncer" // the field manager of what is delivered

// take applies an object; what it needs may come a moment later.
func (p *Plane) take(ctx context.Context, object map[string]any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return p.Await(ctx, "a delivered object to be taken", func(ctx context.Context) error {
		_, err := p.client.ApplyAs(ctx, edge, object)
		if err != nil {
			p.client.Forget()
		}
		return err
	})
}

// takeAgain applies an object that was taken, which must write nothing. The
// guard tells our writing from that of a controller.
func (p *Plane) takeAgain(ctx context.Context, object map[string]any) error {
	for {
		now, err := p.client.Current(ctx, object)
		if err != nil {
			return err
		}
		after, err := p.client.ApplyAs(ctx, edge, guarded(object, now.GetResourceVersion()))
		switch {
		case apierrors.IsConflict(err):
			continue // it is another object meanwhile
		case err != nil:
			return err
		case after.GetResourceVersion() != now.GetResourceVersion():
			return fmt.Errorf("applying the %s %s/%s again wrote it", after.GetKind(), after.GetNamespace(), after.GetName())
		}
		return nil
	}
}

// guarded is the object, for a cluster that has it at that version.
func guarded(object map[string]any, version string) map[string]any {
	metadata := maps.Clone(object["metadata"].(map[string]any))
	metadata["resourceVersion"] = version
	object = maps.Clone(object)
	object["metadata"] = metadata
	return object
}
