package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/manifest"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/fault"
)

// The files of a case.
const (
	caseFile     = "case.yaml"
	expectedFile = "expected.yaml"
)

// objectFiles hold what goes in, the first one found: a manifest, or the bytes
// of a value as etcd holds them.
var objectFiles = []string{"object.yaml", "object.json", "value"}

// policyCase is a folder with an object and what is expected to come of it.
type policyCase struct {
	folder string
	about  caseHead
	key    []byte
	value  []byte
}

// caseHead is case.yaml.
type caseHead struct {
	// Key is the key of the object, or RESOURCE/NAMESPACE/NAME. Default: from
	// the manifest.
	Key string `yaml:"key"`
	// Edge is the one that the policy is filled in for. Default none.
	Edge edgeChoice `yaml:"edge"`
}

// expectation is expected.yaml.
type expectation struct {
	// Verdict is selected, left, refused or outside.
	Verdict verdictWord `yaml:"verdict,required" json:"verdict"`
	// Rule is the name of the rule that decided.
	Rule string `yaml:"rule" json:"rule,omitempty"`
	// Key is the delivered key.
	Key string `yaml:"key" json:"key,omitempty"`
	// Object is what is delivered, when it is JSON.
	Object any `yaml:"object" json:"object,omitempty"`
	// Value is what is delivered, when it is other text.
	Value *string `yaml:"value" json:"value,omitempty"`
	// Bytes is what is delivered, in base64, when it is no text.
	Bytes string `yaml:"bytes" json:"bytes,omitempty"`
	// Orphan: an edge that holds the object keeps it.
	Orphan bool `yaml:"orphan" json:"orphan,omitempty"`
	// Reason is a part of the reason why it is left or refused. Default any.
	Reason string `yaml:"reason" json:"reason,omitempty"`
}

type verdictWord string

// Values are the verdicts.
func (verdictWord) Values() []string { return []string{"selected", "left", "refused", "outside"} }

// readCases reads every folder of dir that holds an object.
func readCases(dir string, c filter.Cluster) ([]policyCase, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fault.New(fault.Usage, "name a folder of cases; see syncer policy test --help", "%w", err)
	}
	var out []policyCase
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		one, err := readCase(filepath.Join(dir, e.Name()), c)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Usage, "put an object.yaml into a folder below it; see syncer policy test --help", "%s holds no cases", dir)
	}
	return out, nil
}

func readCase(folder string, c filter.Cluster) (policyCase, error) {
	out := policyCase{folder: folder}
	if err := readYAML(filepath.Join(folder, caseFile), &out.about); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	for _, name := range objectFiles {
		file := filepath.Join(folder, name)
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return out, fault.New(fault.Usage, "check its permissions", "%w", err)
		}
		if name == "value" && out.about.Key == "" {
			return out, fault.New(fault.Usage, "write key: into "+filepath.Join(folder, caseFile), "nothing says which key holds %s", file)
		}
		out.key, out.value, err = manifest.Stored(file, data, out.about.Key, c.Prefix)
		return out, err
	}
	return out, fault.New(fault.Usage, "add object.yaml", "the case %s holds no object", folder)
}

// readYAML decodes a file that holds one document.
func readYAML(file string, into any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fault.New(fault.Usage, "check the path and its permissions", "%w", err)
	}
	return strictyaml.Decode(file, data, into)
}

// outcome is what the policy makes of the case, as a file would expect it.
func outcome(s *filter.Selection, key, value []byte) expectation {
	o := s.Take(key, value)
	e := expectation{Verdict: verdictOf(o.Verdict), Orphan: o.Orphan, Reason: o.Reason}
	if o.Rule >= 0 {
		e.Rule = s.Rules()[o.Rule].Name
	}
	if o.Verdict != filter.Selected {
		return e
	}
	e.Key = string(o.Key)
	e.take(o.Value)
	return e
}

// take shows a value in the clearest form that says all of it: as an object
// only when its bytes follow from that.
func (e *expectation) take(value []byte) {
	if fields, ok := canonical(value); ok {
		e.Object = fields
		return
	}
	if utf8.Valid(value) {
		s := string(value)
		e.Value = &s
		return
	}
	e.Bytes = base64.StdEncoding.EncodeToString(value)
}

// canonical reads a JSON object that is written as syncer writes them.
func canonical(value []byte) (fields any, ok bool) {
	if !bytes.HasPrefix(value, []byte("{")) {
		return nil, false
	}
	var r strictyaml.Report
	docs := strictyaml.Parse(&r, "", value)
	if len(docs) != 1 {
		return nil, false
	}
	fields = docs[0].Free()
	var again bytes.Buffer
	e := json.NewEncoder(&again)
	e.SetEscapeHTML(false)
	err := e.Encode(fields)
	return fields, err == nil && r.Err() == nil && bytes.Equal(bytes.TrimSpace(again.Bytes()), value)
}

func verdictOf(v filter.Verdict) verdictWord {
	return map[filter.Verdict]verdictWord{
		filter.Selected: "selected", filter.Left: "left", filter.Refused: "refused", filter.Outside: "outside",
	}[v]
}

// compare gives the difference as lines, or "".
func (e expectation) compare(got expectation) (string, error) {
	if strings.Contains(got.Reason, e.Reason) {
		got.Reason = e.Reason
	}
	if same, err := sameJSON(e, got); err != nil || same {
		return "", err
	}
	return yamlDiff("expected", e, "got", got)
}

// yamlDiff shows in which lines two objects differ when they are written as
// YAML.
func yamlDiff(oldName string, old any, newName string, new any) (string, error) {
	var before, after bytes.Buffer
	if err := errors.Join(printYAML(&before, old), printYAML(&after, new)); err != nil {
		return "", err
	}
	lines := string(diff.Diff(oldName, before.Bytes(), newName, after.Bytes()))
	_, lines, _ = strings.Cut(lines, "\n") // without the command that would print the rest
	return lines, nil
}

func sameJSON(a, b any) (bool, error) {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return bytes.Equal(x, y), errors.Join(errX, errY)
}
