package target

import (
	"encoding/json"
	"testing"

	"github.com/syncer-io/syncer/replicator/change"
)

// defining is a definition whose objects have a status, in a subresource or in
// themselves.
func defining(kind, group string, subresource bool) change.Change {
	var o map[string]any
	if err := json.Unmarshal(definition(kind, group).Value, &o); err != nil {
		panic(err)
	}
	version, _ := o["spec"].(map[string]any)["versions"].([]any)[0].(map[string]any)
	schema, _ := version["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)
	schema["properties"].(map[string]any)["status"] = map[string]any{"type": "object", "properties": map[string]any{"sold": map[string]any{"type": "integer"}}}
	if subresource {
		version["subresources"] = map[string]any{"status": map[string]any{}}
	}
	return delivered(o)
}

// A status is data where it is no subresource. Where it is one, the API server
// drops what is delivered of it, and that is no edit of anybody.
func TestStatusIsDataWithoutItsSubresource(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "tallies", "gauges")
	sold := func(kind string) change.Change {
		return delivered(thing(e.group+"/v1", kind, e.ns, "w", map[string]any{"spec": map[string]any{"size": 1}, "status": map[string]any{"sold": 7}}))
	}
	tally, gauge := sold("Tallie"), sold("Gauge")
	e.mustCommit(1, namespace(e.ns), defining("Tallie", e.group, false), defining("Gauge", e.group, true), tally, gauge)
	for _, restart := range []bool{false, true} {
		if restart {
			e.crash()
		}
		for _, c := range []change.Change{tally, gauge} {
			if got := e.holds()[string(c.Key)]; got != string(c.Value) {
				t.Errorf("restarted %t: %s is scanned as %s", restart, c.Key, got)
			}
		}
	}
	if got := e.live(tally).Object["status"]; got == nil {
		t.Error("the status of what has no subresource did not arrive")
	}
	if got := e.live(gauge).Object["status"]; got != nil {
		t.Errorf("the API server took the status %v", got)
	}
	e.edit(tally, `{"status":{"sold":8}}`)
	if got := e.holds()[string(tally.Key)]; got == string(tally.Value) {
		t.Error("an edit of the status does not show")
	}
	e.mustCommit(2, tally) // source wins
	if got := e.holds()[string(tally.Key)]; got != string(tally.Value) {
		t.Errorf("after it was applied again it is %s", got)
	}
}
