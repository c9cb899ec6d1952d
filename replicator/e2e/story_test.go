package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

var update = flag.Bool("update", false, "write the golden files anew")

// withSource is a site with a source that runs already.
func withSource(e *testbed.Etcd) option { return func(s *site) { s.source = e } }

// story is what happens to a cluster, and what its edge sees of that.
type story struct {
	s     *site
	cloud *kube.Plane
	edge  observer
	told  bytes.Buffer
	held  map[string][]string // what the edge holds by key, in lines
	seen  int                 // changes at the edge that the story has told
	steps int
}

func (s *site) story(cloud *kube.Plane) *story {
	return &story{s: s, cloud: cloud, edge: s.observe(), held: map[string][]string{}}
}

// step does something at the cluster and tells what changes at the edge until
// the edge has all of it.
func (y *story) step(what string, do func()) {
	y.s.t.Helper()
	do()
	y.steps++
	mark := object("v1", "ConfigMap", "steps", fmt.Sprint("step-", y.steps))
	field(mark, "metadata")["labels"] = map[string]any{"sync": "true"}
	y.apply(mark)
	y.edge.wait(func(l line) bool { return l.key == fmt.Sprintf("/kubernetes/configmaps/steps/step-%d", y.steps) })

	all := y.edge.lines()
	changes := slices.DeleteFunc(all[y.seen:], func(l line) bool { return strings.HasPrefix(l.key, "/kubernetes/configmaps/steps/") })
	y.seen = len(all)
	slices.SortStableFunc(changes, func(a, b line) int { return cmp.Compare(a.key, b.key) })
	fmt.Fprintf(&y.told, "# %s\n\n", what)
	for _, l := range changes {
		y.tell(l)
	}
	if len(changes) == 0 {
		y.told.WriteString("nothing\n\n")
	}
}

// tell shows an object that is new in full, and of others what is new in them.
func (y *story) tell(l line) {
	y.s.t.Helper()
	if l.gone {
		delete(y.held, l.key)
		fmt.Fprintf(&y.told, "delete %s\n\n", l.key)
		return
	}
	var text bytes.Buffer
	if err := json.Indent(&text, []byte(l.value), "", "  "); err != nil {
		y.s.t.Fatalf("%s: %v: %q", l.key, err, l.value)
	}
	now := strings.Split(text.String(), "\n")
	before, held := y.held[l.key]
	y.held[l.key] = now
	fmt.Fprintf(&y.told, "put %s\n", l.key)
	if !held {
		fmt.Fprintf(&y.told, "%s\n\n", text.String())
		return
	}
	for len(before) > 0 && len(now) > 0 && before[0] == now[0] {
		before, now = before[1:], now[1:]
	}
	for len(before) > 0 && len(now) > 0 && before[len(before)-1] == now[len(now)-1] {
		before, now = before[:len(before)-1], now[:len(now)-1]
	}
	fmt.Fprintf(&y.told, "- %s\n+ %s\n\n", strings.Join(before, "\n- "), strings.Join(now, "\n+ "))
}

func (y *story) apply(object map[string]any) {
	y.s.t.Helper()
	if err := y.cloud.Client().Apply(y.s.t.Context(), object); err != nil {
		y.s.t.Fatal(err)
	}
}

// rollOut applies a Deployment and waits until its pods are what it asks for.
func (y *story) rollOut(deployment map[string]any) {
	y.s.t.Helper()
	y.apply(deployment)
	ctx, cancel := y.patience()
	defer cancel()
	metadata := field(deployment, "metadata")
	if err := y.cloud.WaitRolledOut(ctx, metadata["namespace"].(string), metadata["name"].(string)); err != nil {
		y.s.t.Fatal(err)
	}
}

// remove deletes an object and waits until it is gone with all that it holds.
func (y *story) remove(word, namespace, name string) {
	y.s.t.Helper()
	ctx, cancel := y.patience()
	defer cancel()
	client := y.cloud.Client()
	if err := client.Delete(ctx, word, namespace, name); err != nil {
		y.s.t.Fatal(err)
	}
	err := y.cloud.Await(ctx, "the end of "+name, func(ctx context.Context) error {
		_, err := client.Get(ctx, word, namespace, name)
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return err
		}
		return fmt.Errorf("it is there")
	})
	if err != nil {
		y.s.t.Fatal(err)
	}
}

func (y *story) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(y.s.t.Context(), time.Minute)
}

// check compares the story with its golden file.
func (y *story) check(file string) {
	y.s.t.Helper()
	if *update {
		if err := os.WriteFile(file, y.told.Bytes(), 0o600); err != nil {
			y.s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		y.s.t.Fatal(err)
	}
	if !bytes.Equal(y.told.Bytes(), want) {
		y.s.t.Errorf("another story than in %s (-update writes it anew):\n%s", file, y.told.Bytes())
	}
}
