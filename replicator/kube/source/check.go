package source

import (
	"context"
	"errors"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Check looks whether everything that the selection needs may be read, and
// followed. It reads no object.
func (s *Source) Check(ctx context.Context) error {
	if s.wrong != nil {
		return s.wrong
	}
	if _, err := s.admit(ctx, 0); err != nil {
		return err
	}
	for _, res := range s.resources {
		if err := s.checkRights(ctx, res); err != nil && !errors.Is(err, errAbsent) {
			return s.explain(err, res.reading(), "look at the rights for %s", res.Word)
		}
	}
	return nil
}

// Absent are the resources, by word, that the server does not have now.
func (s *Source) Absent(ctx context.Context) (words []string, err error) {
	for _, res := range s.resources {
		_, err := s.locate(ctx, res)
		if errors.Is(err, errAbsent) {
			words = append(words, res.Word)
		} else if err != nil {
			return nil, err
		}
	}
	return words, nil
}

// checkRights gets an object that does not exist and opens a watch. Listing is
// what a tick does.
func (s *Source) checkRights(ctx context.Context, res *resource) error {
	return s.retry(ctx, func(ctx context.Context) error {
		p, err := s.locate(ctx, res)
		if err != nil {
			return err
		}
		namespace := p.scope()
		if p.namespaced() && namespace == "" {
			namespace = systemNamespace
		}
		_, err = s.cli.Metadata.Resource(p.at.Resource).Namespace(namespace).Get(ctx, nobody, metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		h, err := s.head(ctx)
		if err != nil {
			return err
		}
		second := int64(1)
		w, err := s.cli.Metadata.Resource(p.at.Resource).Namespace(p.scope()).Watch(ctx, metav1.ListOptions{
			ResourceVersion: strconv.FormatInt(h.revision, 10), TimeoutSeconds: &second,
		})
		if err != nil {
			return err
		}
		w.Stop()
		return nil
	})
}
