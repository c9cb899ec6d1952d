package importer

import (
	"bytes"
	"context"

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
	gone := found.Gone.Count()
	if d.Prints.Len() == 0 {
		gone = 0
	}
	t.found(found, gone)
	if err := t.sample(ctx, a, d, found); err != nil {
		return err
	}
	a.im.view.comparing(&a.comparison)
	return a.settleRanges(ctx)
}

// found adds up what one finding says.
func (t *task) found(f change.Finding, gone int) {
	t.shown.Equal += f.Count - f.Put
	t.put += f.Put
	t.delete += uint64(gone)
	t.bytes += int64(f.Bytes)
}

// sample names keys that differ in a range. The exporter names those that it
// would send; which of them the target has, and what only the target has, is
// read there.
func (t *task) sample(ctx context.Context, a *applier, d digest.Difference, f change.Finding) error {
	if len(t.shown.Samples) >= command.MaxSamples {
		return nil
	}
	kept := digest.Kept(d.Prints, a.comparison.slot, f.Gone)
	has := map[string]bool{}
	var extra [][]byte
	_, err := a.target.Scan(ctx, a.within(f.Range), func(kvs []change.KV) error {
		for _, kv := range kvs {
			has[string(kv.Key)] = true
			if !kept(digest.Item(kv.Key, kv.Value)) && len(extra) < 2*command.MaxSamples && !a.parked.has(kv.Key) {
				extra = append(extra, bytes.Clone(kv.Key))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	named := map[string]bool{}
	for _, key := range f.Keys {
		named[string(key)] = true
		how := command.Missing
		if has[string(key)] {
			how = command.Different
		}
		t.name(how, key)
	}
	if uint64(len(f.Keys)) < f.Put {
		return nil // others may be among those that are only different
	}
	for _, key := range extra {
		if !named[string(key)] {
			t.name(command.Extra, key)
		}
	}
	return nil
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
