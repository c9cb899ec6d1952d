package raw

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/filter/object"
)

// oldest is the minor version of Kubernetes that every edge has at least.
const oldest = 23

// since are the minors of Kubernetes that were the first to know the version in
// which a resource is delivered. Of those without an entry every edge knows it.
var since = map[string]int{
	"deviceclasses.resource.k8s.io":          34,
	"resourceclaims.resource.k8s.io":         34,
	"resourceclaimtemplates.resource.k8s.io": 34,
	"volumeattributesclasses.storage.k8s.io": 34,
}

// knows is why the edge may not know the version in which a resource is
// delivered: one undecodable value fails the LIST of the resource for the whole
// cluster. What tells the edge's version is its nodes: no kubelet is newer than
// the API server.
func (t *Target) knows(ctx context.Context, word string) error {
	need := since[word]
	if need <= oldest {
		return nil
	}
	minor, err := t.minor(ctx)
	if err != nil || minor >= need {
		return err
	}
	return &object.Refusal{
		Reason: fmt.Sprintf("%s are of Kubernetes 1.%d, and nothing shows that the edge is of 1.%d or later: its newest node is of 1.%d", word, need, need, minor),
		Try:    tryKubernetes,
	}
}

// mostNodes are looked at for their version.
const mostNodes = 200

func (t *Target) minor(ctx context.Context) (newest int, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	prefix := object.Root(t.prefix) + "minions/"
	resp, err := t.cli.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithLimit(mostNodes))
	if err != nil {
		return 0, fmt.Errorf("read the nodes of the edge: %w", t.explain(err, prefix))
	}
	newest = oldest
	for _, kv := range resp.Kvs {
		k, err := object.ParseKey(t.prefix, kv.Key)
		if err != nil {
			continue // no node, and it tells nothing
		}
		if node, err := object.Decode(k, kv.Value); err == nil {
			newest = max(newest, minorOf(text(node.Fields(), "status", "nodeInfo", "kubeletVersion")))
		}
	}
	return newest, nil
}

// minorOf is 37 of v1.37.2.
func minorOf(version string) int {
	rest, one := strings.CutPrefix(version, "v1.")
	digits, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(strings.TrimRight(digits, "+"))
	if !one || err != nil {
		return 0
	}
	return n
}

// text is the string at a path, or "".
func text(fields map[string]any, path ...string) string {
	for _, name := range path[:len(path)-1] {
		fields, _ = fields[name].(map[string]any)
	}
	s, _ := fields[path[len(path)-1]].(string)
	return s
}
