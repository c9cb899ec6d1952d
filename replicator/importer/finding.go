package importer

import (
	"bytes"
	"context"
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/digest"
)

// finding takes what the exporter says of one range that differs.
func (a *applier) finding(ctx context.Context, f taken, found change.Finding) error {
	d, ok := a.comparison.answered(f.Request, found.Range)
	t := a.comparison.task
	if !ok || !a.comparison.dry || t == nil {
		return nil
	}
	if err := t.found(ctx, a, d, found); err != nil {
		return fmt.Errorf("look at what differs in %v: %w", found.Range, err)
	}
	a.im.pace.move()
	a.im.view.comparing(&a.comparison)
	return a.settleRanges(ctx)
}

// found adds up what differs in a range. The exporter counts the keys that it
// would send and names the first of them; which of them the target has, and
// what only the target has, is read there.
func (t *task) found(ctx context.Context, a *applier, d digest.Difference, f change.Finding) error {
	kept := digest.Kept(d.Prints, a.comparison.slot, f.Gone)
	wanted := digest.NewKnown(f.KeyPrints, 0)
	different, extra := map[string]bool{}, [][]byte(nil)
	var only uint64
	err := a.patiently(ctx, func() error {
		clear(different)
		only, extra = 0, nil
		_, err := a.target.Scan(ctx, a.within(f.Range), func(kvs []change.KV) error {
			for _, kv := range kvs {
				switch {
				case a.parked.has(kv.Key) || kept(digest.Item(kv.Key, kv.Value)):
				case wanted.Has(digest.Item(kv.Key, nil)):
					different[string(kv.Key)] = true
				default:
					only++
					if len(extra) < command.MaxSamples {
						extra = append(extra, bytes.Clone(kv.Key))
					}
				}
			}
			return nil
		})
		return err
	})
	t.shown.Equal += f.Count - f.Put
	t.put += f.Put
	t.delete += only
	t.bytes += int64(f.Bytes)
	for _, key := range f.Keys {
		how := command.Missing
		if different[string(key)] {
			how = command.Different
		}
		t.name(how, key)
	}
	for _, key := range extra {
		t.name(command.Extra, key)
	}
	return err
}

// sampleBytes bounds the keys that a task names: it is a part of a report.
const sampleBytes = 16 << 10

func (t *task) name(how string, key []byte) {
	if len(t.shown.Samples) >= command.MaxSamples || t.sampled+len(key) > sampleBytes {
		return
	}
	t.sampled += len(key)
	t.shown.Samples = append(t.shown.Samples, command.Sample{How: how, Key: bytes.Clone(key)})
}
