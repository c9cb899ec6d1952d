package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

// withPlane tells a story whether there is a control plane to run. Where one is
// needed the story runs, and fails for the lack of it.
func withPlane(condition string) (bool, error) {
	if condition != "plane" {
		return false, fmt.Errorf("unknown condition %s", condition)
	}
	return os.Getenv("SYNCER_NEED_KUBE") != "" || kube.Installed(), nil
}

// plane starts control planes and sets variables: edge gives $EDGE, its
// kubeconfig.
func (s *stage) plane(ts *testscript.TestScript, args []string) {
	want(ts, args, 1, "plane NAME...")
	for _, name := range args {
		dir := ts.MkAbs(".plane-" + name)
		ts.Check(os.MkdirAll(dir, 0o700))
		bin, err := kube.Folder()
		ts.Check(err)
		p, err := kube.Start(context.Background(), bin, dir, kube.Options{NoControllers: true})
		ts.Check(err)
		ts.Defer(func() { ts.Check(p.Close()) })
		s.planes[name] = p
		ts.Setenv(strings.ToUpper(name), p.Kubeconfig())
	}
}

func (s *stage) control(ts *testscript.TestScript, name string) *kube.Plane {
	p, ok := s.planes[name]
	if !ok {
		ts.Fatalf("there is no control plane %s", name)
	}
	return p
}

// kubeapply applies an object of one line of JSON.
func (s *stage) kubeApply(ts *testscript.TestScript, args []string) {
	want(ts, args, 2, "kubeapply PLANE OBJECT")
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(args[1]), &object))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ts.Check(s.control(ts, args[0]).Client().Apply(ctx, object))
}

// kubeget prints a ConfigMap's data.
func (s *stage) kubeGet(ts *testscript.TestScript, args []string) {
	want(ts, args, 3, "kubeget PLANE NAMESPACE NAME")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	o, err := s.control(ts, args[0]).Client().Get(ctx, "configmaps", args[1], args[2])
	ts.Check(err)
	text, err := json.Marshal(o.Object["data"])
	ts.Check(err)
	_, err = fmt.Fprintf(ts.Stdout(), "%s\n", text)
	ts.Check(err)
}

// sees waits until a ConfigMap holds exactly that data.
func (s *stage) sees(ts *testscript.TestScript, args []string) {
	want(ts, args, 4, "sees DATA PLANE NAMESPACE NAME")
	p := s.control(ts, args[1])
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ts.Check(p.Await(ctx, "the data", func(ctx context.Context) error {
		o, err := p.Client().Get(ctx, "configmaps", args[2], args[3])
		if err != nil {
			return err
		}
		text, err := json.Marshal(o.Object["data"])
		if err == nil && string(text) != args[0] {
			err = fmt.Errorf("it holds %s", text)
		}
		return err
	}))
}
