package transform

import (
	"strings"
	"testing"
)

// renamer is a step that compile would refuse.
type renamer struct{}

func (renamer) apply(obj map[string]any) error {
	obj["metadata"] = map[string]any{"name": "other"}
	return nil
}

// TestIdentityIsCheckedOnceMore has a change of identity get past compile.
func TestIdentityIsCheckedOnceMore(t *testing.T) {
	p := &Program{steps: []compiled{{place: 2, kind: "patch", action: renamer{}}}}
	err := p.Apply(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a"}})
	if err == nil || !strings.HasPrefix(err.Error(), "transform step 3 (patch) on ConfigMap a: it would make ConfigMap other") {
		t.Errorf("got %v", err)
	}
}
