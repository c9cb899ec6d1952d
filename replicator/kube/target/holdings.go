package target

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/kube/client"
)

// holdingsTime bounds the wait for an answer.
const holdingsTime = 10 * time.Second

// Holdings are the cursors of all channels that importers write to a cluster
// through its API server. One that cannot be read is an error: it holds nobody
// knows what.
func Holdings(ctx context.Context, c *client.Client) ([]target.Cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, holdingsTime)
	defer cancel()
	var out []target.Cursor
	m, next := ownMaps{client: c}, ""
	for {
		page, err := m.page(ctx, metav1.ListOptions{LabelSelector: labels.Set{labelAbout: aboutCursor}.String(), Limit: mapsAtOnce, Continue: next})
		if err != nil {
			return nil, m.failed("list", aboutCursor+".*", err)
		}
		for i := range page.Items {
			cursor, err := cursorIn(&page.Items[i])
			if err != nil {
				return nil, err
			}
			out = append(out, cursor)
		}
		if next = page.GetContinue(); next == "" {
			return out, nil
		}
	}
}

// StoredHoldings are Holdings as the API server of an etcd has stored them, below
// its prefix. One that is encrypted is an error, an [*object.Refusal] as its cause.
func StoredHoldings(ctx context.Context, cli *clientv3.Client, etcdPrefix string) ([]target.Cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, holdingsTime)
	defer cancel()
	from := string(object.Key{Resource: configMaps.Resource, Namespace: Namespace, Name: aboutCursor + ".", Namespaced: true}.StorageKey(etcdPrefix))
	resp, err := cli.Get(ctx, from, clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("read what importers hold: %w", dial.Explain(err, strings.Join(cli.Endpoints(), ","), from))
	}
	var out []target.Cursor
	for _, kv := range resp.Kvs {
		u, err := storedMap(etcdPrefix, kv.Key, kv.Value)
		if err != nil {
			return nil, err
		}
		if u.GetLabels()[labelAbout] != aboutCursor {
			continue
		}
		cursor, err := cursorIn(u)
		if err != nil {
			return nil, err
		}
		out = append(out, cursor)
	}
	return out, nil
}

func storedMap(etcdPrefix string, key, value []byte) (*unstructured.Unstructured, error) {
	k, err := object.ParseKey(etcdPrefix, key)
	var o object.Object
	if err == nil {
		o, err = object.Decode(k, value)
	}
	var no *object.Refusal
	if errors.As(err, &no) {
		err = fault.New(fault.Safety, no.Try, "read what an importer holds in %q: %w", key, err)
	}
	return &unstructured.Unstructured{Object: o.Fields()}, err
}

// cursorIn is the cursor of whatever channel that a ConfigMap is about.
func cursorIn(u *unstructured.Unstructured) (target.Cursor, error) {
	c, err := typed(u)
	if err != nil {
		return target.Cursor{}, err
	}
	key := target.CursorKey{Source: c.Labels[labelSource], Channel: c.Labels[labelChannel]}
	cursor, _, err := target.DecodeCursor(key, []byte(c.Data[cursorField]))
	return cursor, err
}
