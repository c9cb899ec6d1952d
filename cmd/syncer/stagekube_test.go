package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.yaml.in/yaml/v4"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

// load writes what a real control plane stored, from the frozen samples: all of
// it, or what lies below the prefixes.
func (s *stage) load(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "load ETCD SAMPLES [PREFIX...]")
	samples, err := kube.ReadSamples("../../testdata/kubernetes/" + args[1] + ".jsonl.zst")
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	loaded := 0
	for _, sample := range samples {
		if len(args) > 2 && !slices.ContainsFunc(args[2:], func(p string) bool { return strings.HasPrefix(sample.Key, p) }) {
			continue
		}
		_, err := s.server(ts, args[0]).Client().Put(ctx, sample.Key, string(sample.Value))
		ts.Check(err)
		loaded++
	}
	if loaded == 0 {
		ts.Fatalf("%s holds nothing of %q", args[1], args[2:])
	}
}

// dump prints the keys with a prefix and their values, for cmp. An object is
// shown as YAML, and must be canonical JSON.
func (s *stage) dump(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "dump ETCD PREFIX")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	resp, err := s.server(ts, args[0]).Client().Get(ctx, args[1], clientv3.WithPrefix())
	ts.Check(err)
	if len(resp.Kvs) == 0 {
		_, err = fmt.Fprintf(ts.Stdout(), "# nothing below %s\n", args[1])
		ts.Check(err)
	}
	for _, kv := range resp.Kvs {
		text, err := readable(kv.Value)
		if err != nil {
			ts.Fatalf("%s holds %s = %q: %v", args[0], kv.Key, kv.Value, err)
		}
		_, err = fmt.Fprintf(ts.Stdout(), "# %s\n%s\n", kv.Key, text)
		ts.Check(err)
	}
}

func readable(value []byte) (string, error) {
	if !bytes.HasPrefix(value, []byte("{")) {
		return string(value) + "\n", nil
	}
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil {
		return "", err
	}
	if again, err := object.Canonical(fields); err != nil || !bytes.Equal(again, value) {
		return "", fmt.Errorf("canonical is %s (%v)", again, err)
	}
	var plain map[string]any
	if err := json.Unmarshal(value, &plain); err != nil {
		return "", err
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := e.Encode(plain)
	return b.String(), err
}

// says runs a command, however it ends, until it prints what matches.
func (s *stage) says(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "says PATTERN COMMAND...")
	pattern, deadline := regexp.MustCompile("(?m)"+args[0]), time.Now().Add(patience)
	for {
		_ = ts.Exec(args[1], args[2:]...) // it may fail until it is as it should be
		out := ts.ReadFile("stdout") + ts.ReadFile("stderr")
		if pattern.MatchString(out) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("it did not say %q:\n%s", args[0], out)
		}
	}
}
