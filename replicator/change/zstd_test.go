package change_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/replicator/change"
)

func TestCompressTakesWhatDecompressTakes(t *testing.T) {
	for _, size := range []int{0, 1, 4096, change.MaxBody} {
		raw := bytes.Repeat([]byte("x"), size)
		body, err := change.Compress(raw)
		if err != nil || len(body) == 0 {
			t.Fatalf("%d bytes: %d compressed, %v", size, len(body), err)
		}
		got, err := change.Decompress(body)
		if err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("%d bytes: came back as %d, %v", size, len(got), err)
		}
	}
	if _, err := change.Compress(make([]byte, change.MaxBody+1)); err == nil {
		t.Error("compressed a body that no reader takes")
	}
}

// A missing body must not read as an empty one: an empty chunk of everything
// would delete everything.
func TestDecompressRefusesNoBody(t *testing.T) {
	for _, body := range [][]byte{nil, {}, []byte("not zstd")} {
		if _, err := change.Decompress(body); !errors.Is(err, change.ErrMalformed) {
			t.Errorf("body %q: %v", body, err)
		}
	}
}

func TestDecompressIsBounded(t *testing.T) {
	for name, bomb := range map[string][]byte{
		"declared":   declared(t, change.MaxBody+1),
		"undeclared": undeclared(t, 16*change.MaxBody),
		"repeated":   bytes.Repeat(declared(t, change.MaxBody/2), 64),
		"streamed":   bytes.Repeat(undeclared(t, change.MaxBody/2), 64),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			raw, err := change.Decompress(bomb)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, change.ErrMalformed) || raw != nil {
				t.Errorf("%d bytes became %d, %v", len(bomb), len(raw), err)
			}
			// A body that does not say its size is grown step by step. The sum
			// of all steps is a multiple of the bound, whatever the bomb.
			if took := after.TotalAlloc - before.TotalAlloc; took > 12*change.MaxBody {
				t.Errorf("took %d MiB for a bound of %d", took>>20, change.MaxBody>>20)
			}
		})
	}
}

// declared is a zstd frame of n zero bytes that says its size.
func declared(t *testing.T, n int) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	return enc.EncodeAll(make([]byte, n), nil)
}

// undeclared is a zstd frame of n zero bytes that does not say its size.
func undeclared(t *testing.T, n int) []byte {
	t.Helper()
	var out bytes.Buffer
	enc, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(enc, zeros{}, int64(n)); err != nil {
		t.Fatal(err)
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestCompressFromSeveralGoroutines(t *testing.T) {
	var group errgroup.Group
	for i := range 8 {
		group.Go(func() error {
			raw := bytes.Repeat([]byte{byte(i)}, 10_000+i)
			for range 20 {
				body, err := change.Compress(raw)
				if err != nil {
					return err
				}
				if got, err := change.Decompress(body); err != nil || !bytes.Equal(got, raw) {
					return errors.Join(err, errors.New("another body came back"))
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}
