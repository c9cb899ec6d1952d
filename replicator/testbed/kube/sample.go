package kube

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Sample is what a control plane stored under one key. Deleted is set for the
// event of a delete, in a history.
type Sample struct {
	Key         string          `json:"key"`
	ModRevision int64           `json:"modRevision"`
	Value       []byte          `json:"value,omitempty"`
	Deleted     bool            `json:"deleted,omitempty"`
	Served      json.RawMessage `json:"served,omitempty"` // the object as the API server shows it
}

// Stored is everything that the etcd holds below the prefix.
func (p *Plane) Stored(ctx context.Context, prefix string) ([]Sample, error) {
	resp, err := p.Etcd.Client().Get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", prefix, err)
	}
	out := make([]Sample, 0, len(resp.Kvs))
	for _, kv := range resp.Kvs {
		out = append(out, Sample{Key: string(kv.Key), ModRevision: kv.ModRevision, Value: kv.Value})
	}
	return out, nil
}

// WriteSamples writes samples as compressed lines of JSON.
func WriteSamples(path string, samples []Sample) error {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		return fmt.Errorf("compress samples: %w", err)
	}
	enc := json.NewEncoder(w)
	for _, s := range samples {
		if err := enc.Encode(s); err != nil {
			return fmt.Errorf("encode the sample of %s: %w", s.Key, err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("compress samples: %w", err)
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// ReadSamples reads what WriteSamples wrote.
func ReadSamples(path string) (_ []Sample, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open samples: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r, err := zstd.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("read samples: %w", err)
	}
	defer r.Close()
	var out []Sample
	for d := json.NewDecoder(r); ; {
		var s Sample
		switch err := d.Decode(&s); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("read sample %d of %s: %w", len(out)+1, path, err)
		}
		out = append(out, s)
	}
}
