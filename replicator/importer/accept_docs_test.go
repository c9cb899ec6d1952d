package importer

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/config"
)

// TestAcceptReference runs the examples of accept in docs/policy.md: what stands
// in edge.yaml, what arrives, and whether it is written.
func TestAcceptReference(t *testing.T) {
	text, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	var edge struct {
		Accept config.Accept `yaml:"accept"`
	}
	var c change.Change
	ran := 0
	for _, part := range strings.Split(string(text), "\n```")[1:] {
		head, body, _ := strings.Cut(part, "\n")
		switch word, key, _ := strings.Cut(strings.TrimPrefix(head, "yaml "), " "); word {
		case "edge":
			if err := strictyaml.Decode("edge.yaml", []byte(body), &edge); err != nil {
				t.Fatal(err)
			}
		case "arrives":
			c = change.Change{Op: change.Put, Key: []byte(key), Value: asJSON(t, body)}
		}
		got := "accepted"
		if u := Accept(edge.Accept).refuses(c); u != nil {
			got = "parked\n" + u.what + "; " + u.try
		}
		if want, is := strings.CutPrefix(head+"\n"+body, "text "); is && (strings.HasPrefix(want, "accepted") || strings.HasPrefix(want, "parked")) {
			ran++
			if strings.TrimSpace(want) != got {
				t.Errorf("%s: got %s\nwant %s", c.Key, got, want)
			}
		}
	}
	if ran < 2 {
		t.Errorf("only %d examples", ran)
	}
}

func asJSON(t *testing.T, text string) []byte {
	t.Helper()
	var r strictyaml.Report
	out, err := json.Marshal(strictyaml.Parse(&r, "policy.md", []byte(text))[0].Free())
	if err != nil || r.Err() != nil {
		t.Fatal(err, r.Err())
	}
	return out
}
