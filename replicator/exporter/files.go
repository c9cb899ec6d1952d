package exporter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// known is what the newest term followed. Before the first one it is what the
// data directory tells of the one before, so that a process which starts
// without its hub spools what it can.
type known struct {
	policies *policies
	lines    map[string]line
	refusals []status.Refusal
}

// linesFile names edges that stand for the channels of policies that are filled
// in per edge: who is paired is known to the hub alone.
const linesFile = "channels.json"

type linesRecord struct {
	Format int    `json:"format"`
	Edges  []Edge `json:"edges"`
}

const linesFormat = 1

// recall reads the data directory. What it cannot read it says, and goes on
// without: the hub knows it all.
func recall(cfg Config, logger *slog.Logger) known {
	applied, err := readCopy(cfg.DataDir)
	if err != nil {
		logger.Error("the copy of the applied policies cannot be read", "cause", err.Error(), "try", "nothing while the hub holds them; else apply them again")
	}
	k := known{policies: gather(cfg.Policies, applied, cfg.Cluster)}
	var r linesRecord
	raw, err := os.ReadFile(filepath.Join(cfg.DataDir, linesFile))
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && r.Format != linesFormat {
		logger.Warn("the channels of the last time cannot be read", "cause", fmt.Sprint(err), "format", r.Format)
		r.Edges = nil
	}
	k.lines = enlist(k.policies, r.Edges, roster{}, logger).lines
	return k
}

// keep notes what the term follows from now on, also for the next process. The
// caller holds mu.
func (t *term) keep(p *policies, r roster) error {
	record := linesRecord{Format: linesFormat}
	for _, name := range slices.Sorted(maps.Keys(r.lines)) {
		if l := r.lines[name]; l.edge.Name != "" {
			record.Edges = append(record.Edges, Edge{Edge: l.edge, Policy: l.policy})
		}
	}
	raw, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the channels: %w", err)
	}
	t.wanted = raw
	t.keepWanted()
	t.Exporter.mu.Lock()
	defer t.Exporter.mu.Unlock()
	t.last = known{policies: p, lines: r.lines, refusals: r.refusals()}
	return nil
}

// keepWanted writes what the next process has to know. A disk that takes it not
// ends no term: that is told, and tried again. The caller holds mu.
func (t *term) keepWanted() {
	if bytes.Equal(t.wanted, t.kept) {
		return
	}
	path := filepath.Join(t.cfg.DataDir, linesFile)
	err := writeBeside(path, t.wanted)
	if err == nil {
		failpoint.Hit(failpoint.LinesBefore)
		err = putInPlace(path)
		failpoint.Hit(failpoint.LinesAfter)
	}
	if err != nil {
		err = onDisk(fmt.Errorf("write %s: %w", path, err))
		t.logger.Warn("what the exporter follows is not kept for its next start", "cause", err.Error(), "try", fault.Try(err))
		t.note("active", err.Error())
		return
	}
	t.kept = t.wanted
	t.note("active", "")
}

func (e *Exporter) lastLines() map[string]line {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last.lines
}

func (e *Exporter) lastPolicies() *policies {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last.policies
}

// spool is the spool of a channel.
func (e *Exporter) spool(channel string) *spool {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.spools[channel]
	if s == nil {
		s = newSpool(e.spoolPath(channel), e.cfg.SpoolBytes, channel, e.logger)
		e.spools[channel] = s
	}
	return s
}

func (e *Exporter) closeSpools() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	for _, s := range e.spools {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

func (e *Exporter) indexPath(channel string) string {
	return filepath.Join(e.cfg.DataDir, "index-"+channel+".db")
}

func (e *Exporter) spoolPath(channel string) string {
	return filepath.Join(e.cfg.DataDir, "spool-"+channel+".db")
}

// sweep removes the files of channels that nobody wants.
func (t *term) sweep(r roster) error {
	for _, prefix := range []string{"index-", "spool-"} {
		files, err := filepath.Glob(filepath.Join(t.cfg.DataDir, prefix+"*.db"))
		if err != nil {
			return fmt.Errorf("look for files of old channels: %w", err)
		}
		for _, file := range files {
			channel := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), prefix), ".db")
			if _, wanted := r.lines[channel]; wanted {
				continue
			}
			if err := t.forget(channel); err != nil {
				return err
			}
			for _, left := range []string{file, file + ".lock"} {
				if err := os.Remove(left); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("remove what channel %s left: %w", channel, err)
				}
			}
			t.logger.Info("removed what an old channel left", "channel", channel, "file", file)
		}
	}
	return nil
}

// forget closes the spool of a channel that there is no more.
func (e *Exporter) forget(channel string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.spools[channel]
	if s == nil {
		return nil
	}
	delete(e.spools, channel)
	return s.close()
}

// writeBeside writes a file, durably, beside the one that it will replace.
func writeBeside(path string, data []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// putInPlace gives it the other one's name, durably.
func putInPlace(path string) error {
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
