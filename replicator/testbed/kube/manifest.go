package kube

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/syncer-io/syncer/filter/strictyaml"
)

// ReadManifests reads the objects of a YAML file.
func ReadManifests(path string) ([]map[string]any, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	var r strictyaml.Report
	var out []map[string]any
	for _, doc := range strictyaml.Parse(&r, path, text) {
		object, isMap := doc.Free().(map[string]any)
		if !isMap && r.Err() == nil {
			doc.At().Problemf("this is no object")
		}
		out = append(out, object)
	}
	return out, r.Err()
}

// settleTime is how long an object may wait for what it needs: its definition,
// or the service account of its namespace.
const settleTime = 20 * time.Second

// Populate applies objects in their order.
func (p *Plane) Populate(ctx context.Context, objects []map[string]any) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime+time.Duration(len(objects))*time.Second)
	defer cancel()
	for _, object := range objects {
		if err := p.populate(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plane) populate(ctx context.Context, object map[string]any) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	return p.Await(ctx, "an object to be taken", func(ctx context.Context) error {
		err := p.client.Apply(ctx, object)
		if err != nil {
			p.client.Forget()
		}
		return err
	})
}
