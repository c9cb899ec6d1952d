package strictyaml_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/fault"
)

const good = `
name: "no"
mode: hold
enabled: true
replicas: -3
small: 4
interval: 1h30m
maxBytes: 64MiB
position: "7"
prefix: ""
paths: [a, "5", 'x y']
tls:
  ca: ca.pem
  deep: {key: k}
source: {ca: b}
rules:
  - name: one
    prefix: |
      lines
  - prefix: /b
    match: {kind: Secret}
labels: {a: 1}
tables:
  t: {prefix: p}
`

func TestDecodeFillsEveryType(t *testing.T) {
	var got everything
	if err := strictyaml.Decode("good.yaml", []byte(good), &got); err != nil {
		t.Fatal(err)
	}
	empty := ""
	want := everything{
		Name: "no", Mode: "hold", Enabled: true, Replicas: -3, Small: 4,
		Interval: 90 * time.Minute, MaxBytes: 64 * strictyaml.MiB, Position: position{7}, Prefix: &empty,
		Paths: []string{"a", "5", "x y"}, Source: nested{CA: "b"}, TLS: &nested{CA: "ca.pem"},
		Rules:  []rule{{Name: "one", Prefix: "lines\n"}, {Prefix: "/b"}},
		Labels: map[string]int{"a": 1}, Tables: map[string]rule{"t": {Prefix: "p"}},
	}
	want.TLS.Deep.Key = "k"
	want.Rules[1].Match.Kind = "Secret"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDocumentsOfOneFile(t *testing.T) {
	var r strictyaml.Report
	docs := strictyaml.Parse(&r, "f.yaml", []byte("---\nname: a\n---\n# nothing\n---\nname: b\n...\n"))
	if r.Err() != nil || len(docs) != 2 {
		t.Fatalf("%d documents, %v", len(docs), r.Err())
	}
	if name, ok := docs[1].Text("name"); name != "b" || !ok {
		t.Errorf("second document is %q", name)
	}
}

// TestDocumentsBeforeASyntaxErrorAreRead keeps "all in one pass" true for a
// file whose end is broken.
func TestDocumentsBeforeASyntaxErrorAreRead(t *testing.T) {
	var r strictyaml.Report
	docs := strictyaml.Parse(&r, "f.yaml", []byte("nme: a\n---\nname: b\nmode: \"unclosed\n"))
	if len(docs) != 1 {
		t.Fatalf("%d documents", len(docs))
	}
	docs[0].Decode(&everything{})
	want := "f.yaml:1:1: unknown field \"nme\"; did you mean \"name\"?\n   1 | nme: a\n     | ^\n"
	if got := r.Err().Error(); len(got) <= len(want) || got[:len(want)] != want {
		t.Errorf("got %s", got)
	}
}

func TestProblemsOfTheCaller(t *testing.T) {
	var r strictyaml.Report
	doc := strictyaml.Parse(&r, "f.yaml", []byte("name: a\nsource:\n  ca: x\nrules:\n  - prefix: /p\n"))[0]
	doc.SetOrigin("SYNCER_CA", "source", "ca")

	doc.At("rules", 0, "prefix").Hint("use %s", "/q").Problemf("bad %s", "prefix")
	doc.At("rules", 0, "prefix").Secret().Problemf("and a secret")
	doc.At("rules", 7, "prefix").Problemf("no such rule")
	doc.At("source", "ca").Problemf("set elsewhere")
	doc.At("absent").Problemf("absent field")

	const want = `f.yaml:1:1: absent field
   1 | name: a
     | ^
f.yaml:4:1: no such rule
   4 | rules:
     | ^
f.yaml:5:13: bad prefix; use /q
   5 |   - prefix: /p
     |             ^
f.yaml:5:13: and a secret
SYNCER_CA: set elsewhere`
	if got := r.Err().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if doc.Sound("rules") || doc.Sound("rules", 0, "prefix") || !doc.Sound("name") || !doc.Sound("rule") {
		t.Error("Sound is wrong about what has a problem")
	}
	if got := doc.At("source", "ca").Place() + " " + doc.At("name").Place(); got != "SYNCER_CA f.yaml:1" {
		t.Errorf("places are %s", got)
	}
}

func TestProblemsWithoutAFile(t *testing.T) {
	var r strictyaml.Report
	strictyaml.Unplaced(&r, `policy "p"`).At("rules", 0, "prefix").Problemf("bad")
	if got := r.Err().Error(); got != `policy "p": rules[0].prefix: bad` {
		t.Errorf("got %s", got)
	}
	if fault.ExitCode(r.Err()) != 2 {
		t.Errorf("exit code %d", fault.ExitCode(r.Err()))
	}
}

func TestNoProblemsNoError(t *testing.T) {
	var r strictyaml.Report
	if err := r.Err(); err != nil {
		t.Errorf("got %v", err)
	}
}

// TestNoSecondMessage checks that a value that could not be decoded is left
// alone by the caller's checks.
func TestNoSecondMessage(t *testing.T) {
	var r strictyaml.Report
	doc := strictyaml.Parse(&r, "f.yaml", []byte("nme: a\nsource: {ca: [x]}\ntls: 5\n"))[0]
	doc.Decode(&everything{})
	before := r.Err().Error()
	doc.At("name").Problemf("meant, but mistyped")
	doc.At("source", "ca").Problemf("not text")
	doc.At("tls", "ca").Problemf("below a refused mapping")
	if after := r.Err().Error(); after != before {
		t.Errorf("got\n%s", after)
	}
}

func TestSecretsStayOutOfMessages(t *testing.T) {
	err := strictyaml.Decode("f.yaml", []byte("name: a\npassword: hunter2\n"), &everything{})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}
