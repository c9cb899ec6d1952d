package target

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	establishTime = 30 * time.Second
	establishPoll = 50 * time.Millisecond
)

// await waits until the definitions among what was applied are served: what
// comes next may be objects of theirs. One that is not in time holds nothing up;
// its objects wait.
func (t *Target) await(ctx context.Context, puts []*put, writes []write) error {
	some := false
	for _, p := range puts {
		if p.word != definitions || !wrote(writes, p.key) {
			continue
		}
		some = true
		if err := t.served(ctx, p); err != nil {
			return err
		}
	}
	if some {
		t.client.Forget()
	}
	return nil
}

func wrote(writes []write, key []byte) bool {
	for _, w := range writes {
		if w.record != nil && string(w.key) == string(key) {
			return true
		}
	}
	return false
}

func (t *Target) served(ctx context.Context, p *put) error {
	waiting, cancel := context.WithTimeout(ctx, establishTime)
	defer cancel()
	ticker := time.NewTicker(establishPoll)
	defer ticker.Stop()
	for {
		err := t.serves(waiting, p)
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-waiting.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			t.log.WarnContext(ctx, "a definition is not served", "object", p.name.String(), "cause", err.Error())
			return nil
		}
	}
}

// serves is nil when the definition is established and its objects can be
// listed.
func (t *Target) serves(ctx context.Context, p *put) error {
	at := t.client.Objects.Resource(schema.GroupVersionResource{Group: p.kind.Group, Version: p.kind.Version, Resource: "customresourcedefinitions"})
	live, err := at.Get(ctx, p.name.name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the definition: %w", err)
	}
	if !established(live) {
		return fmt.Errorf("the definition is not established")
	}
	group, _, _ := unstructured.NestedString(live.Object, "spec", "group")
	plural, _, _ := unstructured.NestedString(live.Object, "spec", "names", "plural")
	versions, _, _ := unstructured.NestedSlice(live.Object, "spec", "versions")
	for _, v := range versions {
		version, _ := v.(map[string]any)
		if served, _ := version["served"].(bool); !served {
			continue
		}
		r := schema.GroupVersionResource{Group: group, Version: text(version, "name"), Resource: plural}
		if _, err := t.client.Metadata.Resource(r).List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
			return fmt.Errorf("list its objects: %w", err)
		}
	}
	return nil
}

func established(definition *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(definition.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Established" {
			return m["status"] == "True"
		}
	}
	return false
}
