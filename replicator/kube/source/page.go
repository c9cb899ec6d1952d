package source

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	etcd "github.com/syncer-io/syncer/replicator/etcd/source"
)

// newest stands for the revision that a read chooses itself.
const newest = -1

// page is one answer: items in the order of keys, at one revision.
type page struct {
	items    []etcd.Item
	revision int64
	next     string // the server's word for what follows; "" at the end
}

// request asks for a page.
type request struct {
	from     []byte // the first key that is wanted; within the prefix
	next     string // of the page before, instead of from
	revision int64  // or newest
	limit    int64  // 0: everything
	keysOnly bool
}

// list reads one page. A resource that the server does not have is empty.
func (s *Source) list(ctx context.Context, res *resource, ask request) (page, error) {
	p, err := s.locate(ctx, res)
	if err == errAbsent { //nolint:errorlint // it comes from locate itself
		h, err := s.head(ctx)
		return page{revision: h.revision}, err
	}
	if err != nil {
		return page{}, err
	}
	out, err := s.listAt(ctx, p, ask.options(p.prefix()), ask.keysOnly)
	if apierrors.IsNotFound(err) {
		res.forget()
	}
	return out, err
}

func (s *Source) listAt(ctx context.Context, p place, opts metav1.ListOptions, keysOnly bool) (out page, err error) {
	if keysOnly {
		return s.listKeys(ctx, p, opts)
	}
	l, err := s.cli.Objects.Resource(p.at.Resource).Namespace(p.scope()).List(ctx, opts)
	if err != nil {
		return page{}, err
	}
	out.next = l.GetContinue()
	if out.revision, err = revision(l.GetResourceVersion()); err != nil {
		return page{}, err
	}
	for i := range l.Items {
		it, err := p.item(&l.Items[i])
		if err != nil {
			return page{}, err
		}
		out.items = append(out.items, it)
	}
	return out, nil
}

func (s *Source) listKeys(ctx context.Context, p place, opts metav1.ListOptions) (out page, err error) {
	l, err := s.cli.Metadata.Resource(p.at.Resource).Namespace(p.scope()).List(ctx, opts)
	if err != nil {
		return page{}, err
	}
	out.next = l.GetContinue()
	if out.revision, err = revision(l.GetResourceVersion()); err != nil {
		return page{}, err
	}
	for i := range l.Items {
		o := &l.Items[i]
		rev, err := revision(o.ResourceVersion)
		if err != nil {
			return page{}, fmt.Errorf("%s %s/%s: %w", p.Word, o.Namespace, o.Name, err)
		}
		out.items = append(out.items, etcd.Item{Key: p.key(o.Namespace, o.Name), ModRevision: rev})
	}
	return out, nil
}

// item is an object as etcd would show it.
func (p place) item(u *unstructured.Unstructured) (etcd.Item, error) {
	key := p.key(u.GetNamespace(), u.GetName())
	rev, err := revision(u.GetResourceVersion())
	if err != nil {
		return etcd.Item{}, fmt.Errorf("%s: %w", key, err)
	}
	value, err := stored(u)
	if err != nil {
		return etcd.Item{}, fmt.Errorf("%s: %w", key, err)
	}
	return etcd.Item{Key: key, Value: value, ModRevision: rev}, nil
}

// stored is the object without what no API server stores.
func stored(u *unstructured.Unstructured) ([]byte, error) {
	unstructured.RemoveNestedField(u.Object, "metadata", "resourceVersion")
	unstructured.RemoveNestedField(u.Object, "metadata", "selfLink")
	value, err := json.Marshal(u.Object)
	if err != nil {
		return nil, fmt.Errorf("write the object as JSON: %w", err)
	}
	return value, nil
}

func (r request) options(prefix string) metav1.ListOptions {
	opts := metav1.ListOptions{Limit: r.limit, Continue: r.next}
	if r.next == "" && bytes.Compare(r.from, []byte(prefix)) > 0 {
		opts.Continue = token(string(r.from[len(prefix):]), r.revision)
	}
	if opts.Continue == "" && r.revision != newest {
		opts.ResourceVersion, opts.ResourceVersionMatch = strconv.FormatInt(r.revision, 10), metav1.ResourceVersionMatchExact
	}
	return opts
}

// token is the server's word for a list that goes on at a key. Servers make it
// in this form, call that a part of their API, and take it from anybody; there
// is no other way to read a range of keys without all that comes before it.
func token(start string, revision int64) string {
	if strings.HasSuffix(start, "/") {
		start += "\x00" // a server takes no empty last part, and no name is empty
	}
	raw, err := json.Marshal(struct {
		Version  string `json:"v"`
		Revision int64  `json:"rv"`
		Start    string `json:"start"`
	}{"meta.k8s.io/v1", revision, start})
	if err != nil {
		return "" // then the list begins at the start
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}
