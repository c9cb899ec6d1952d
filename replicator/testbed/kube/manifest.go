package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/util/yaml"
)

// ReadManifests reads the objects of a YAML file.
func ReadManifests(path string) ([]map[string]any, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	var out []map[string]any
	for d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		var object map[string]any
		switch err := d.Decode(&object); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("read manifest %d of %s: %w", len(out)+1, path, err)
		case object != nil:
			out = append(out, object)
		}
	}
}

// Populate applies manifests in their order. What the server does not know yet,
// because its definition is new, is tried again.
func (p *Plane) Populate(ctx context.Context, objects []map[string]any) error {
	for _, object := range objects {
		err := p.await(ctx, "apply manifests", func(ctx context.Context) error {
			err := p.client.Apply(ctx, object)
			if err != nil {
				p.client.Forget()
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
