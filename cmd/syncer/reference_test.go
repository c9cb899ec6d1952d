package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
)

const reference = "../../docs/policy.md"

// TestReferenceIsWhatHappens runs the console blocks of docs/policy.md, in
// their order, where the edge muc holds what the file store.yaml selects of a
// real cluster. Each has one command, what it prints, and how it ends.
func TestReferenceIsWhatHappens(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	story := txtar.Archive{Files: []txtar.File{{Name: "cloud.yaml", Data: []byte(referenceCloud)}}}
	var script strings.Builder
	script.WriteString(referenceStage)
	consoles := 0
	for _, b := range fences(string(text)) {
		switch {
		case b.info == "console":
			consoles++
			name := fmt.Sprintf("%d.txt", consoles)
			story.Files = append(story.Files, txtar.File{Name: name, Data: []byte(b.text)})
			fmt.Fprintf(&script, "console %s\n", name)
		case strings.HasPrefix(b.info, "yaml file "):
			story.Files = append(story.Files, txtar.File{Name: strings.TrimPrefix(b.info, "yaml file "), Data: []byte(b.text)})
		}
	}
	if consoles < 3 {
		t.Errorf("only %d console blocks", consoles)
	}
	story.Comment = []byte(script.String() + "quit importer exporter hub\n")
	path := filepath.Join(t.TempDir(), "reference.txt")
	if err := os.WriteFile(path, txtar.Format(&story), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Files: []string{path}, RequireExplicitExec: true, Setup: setStage, Cmds: stageCommands()})
}

const referenceStage = `etcd source target
address HUB
load source stored
expand cloud.yaml
daemon hub 'Next: put both into cloud.yaml' syncer hub --data-dir hub --listen $HUB
daemon exporter 'taking commands' syncer export -c cloud.yaml
exec syncer policy apply -f store.yaml
exec syncer pair create muc --policy store
token token
exec syncer join nats://$HUB --token-file token --target-etcd $TARGET --data-dir edge
daemon importer level syncer import -c edge/edge.yaml
exec syncer status muc --wait
`

const referenceCloud = `apiVersion: syncer/v1alpha1
kind: Exporter
name: cloud
source: {etcd: {endpoints: ["$SOURCE"]}}
hub: {url: "nats://$HUB", credentials: hub/admin.nk}
dataDir: exporter
heartbeat: 200ms
`

// fence is a fenced block of a page.
type fence struct{ info, text string }

func fences(page string) (all []fence) {
	inside := false
	for _, line := range strings.Split(page, "\n") {
		switch info, marks := strings.CutPrefix(line, "```"); {
		case marks && !inside:
			all, inside = append(all, fence{info: info}), true
		case marks:
			inside = false
		case inside:
			all[len(all)-1].text += line + "\n"
		}
	}
	return all
}
