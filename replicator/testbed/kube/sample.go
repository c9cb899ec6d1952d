package kube

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// WriteSamples writes samples as lines of JSON, compressed.
func WriteSamples(path string, samples []Sample) error {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(8<<20))
	if err != nil {
		return fmt.Errorf("compress samples: %w", err)
	}
	lines := json.NewEncoder(w)
	for _, s := range samples {
		if err := lines.Encode(s); err != nil {
			return fmt.Errorf("write the sample of %s: %w", s.Key, err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("compress samples: %w", err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write samples: %w", err)
	}
	return nil
}

// ReadSamples reads what WriteSamples wrote.
func ReadSamples(path string) (_ []Sample, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read samples: %w", err)
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
