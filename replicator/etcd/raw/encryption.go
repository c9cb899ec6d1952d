package raw

import (
	"bytes"
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/filter/object"
)

// atRest is how the edge's API server stores the values of a resource.
type atRest int

const (
	untold atRest = iota // nothing that it stored is there
	inClear
	encrypted
)

const (
	// newestValues is how many values are looked at. Ours say nothing.
	newestValues = 32
	// secrecyTime is how long an answer counts: the edge may turn encryption on.
	secrecyTime = time.Minute
)

var encryptedMagic = []byte("k8s:enc:")

// readable is why the API server may not be able to read plain values of a
// resource: one that encrypts them, without identity among its providers, fails
// the LIST of all of them.
func (t *Target) readable(ctx context.Context, k object.Key) error {
	word := k.Word()
	how, err := t.atRest(ctx, word)
	if err == nil && how == untold && word != "secrets" {
		how, err = t.atRest(ctx, "configmaps") // every namespace has one
	}
	switch {
	case err != nil:
		return err
	case how == encrypted:
		return &object.Refusal{Reason: "the edge encrypts " + word + " at rest, and may not be able to read any that is not", Try: tryKubernetes}
	case how == untold && word == "secrets" && !t.names(word):
		return &object.Refusal{
			Reason: "nothing shows whether the edge encrypts secrets at rest; if it does, one in clear can fail the LIST of all",
			Try:    tryKubernetes + `, or, when its API server has no --encryption-provider-config, add "secrets" to target.rawResources in edge.yaml and restart the importer`,
		}
	}
	return nil
}

func (t *Target) atRest(ctx context.Context, word string) (atRest, error) {
	t.secrecy.mu.Lock()
	defer t.secrecy.mu.Unlock()
	if f, ok := t.secrecy.known[word]; ok && time.Since(f.at) < secrecyTime {
		return f.how, nil
	}
	how, err := t.look(ctx, word)
	if err == nil {
		if t.secrecy.known == nil {
			t.secrecy.known = map[string]finding{}
		}
		t.secrecy.known[word] = finding{time.Now(), how}
	}
	return how, err
}

// look tells it from the newest value that somebody else wrote.
func (t *Target) look(ctx context.Context, word string) (atRest, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	r, _ := object.Lookup(word)
	prefix := object.Root(t.prefix) + r.StoragePrefix + "/"
	resp, err := t.cli.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithLimit(newestValues),
		clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortDescend))
	if err != nil {
		return untold, fmt.Errorf("find out whether %s are encrypted at rest: %w", word, t.explain(err, prefix))
	}
	for _, kv := range resp.Kvs {
		switch {
		case bytes.HasPrefix(kv.Value, encryptedMagic):
			return encrypted, nil
		case !mayBeOurs(kv.Value):
			return inClear, nil
		}
	}
	return untold, nil
}
