package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
)

// edgeFile is the edge.yaml that join writes.
type edgeFile struct {
	path  string
	force bool
}

// prepare finds out, before a token is used, whether the file can be written
// and what was asked for is a good configuration.
func (f edgeFile) prepare(i *config.Importer) error {
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return f.failed(err)
	}
	if _, err := f.existing(); err != nil && !f.force {
		return fault.New(fault.Usage, "correct the file, or move it away; --force overwrites it", "there is an %s already: %w", f.path, err)
	}
	trial := *i
	trial.Name, trial.Source, trial.Channel = "edge", "source", "channel"
	trial.Hub.Credentials = "" // made by joining
	temporary, err := f.temporary(&trial)
	if err != nil {
		return f.failed(err)
	}
	defer func() { _ = os.Remove(temporary) }() // a left-over is harmless
	var o config.Overlay
	o.Set(config.HubURL, i.Hub.URL, "URL of the hub")
	_, err = config.LoadImporter(temporary, o)
	return err
}

// write writes the file whole or not at all; on return it is durable. The
// tuning of an older file of the same edge is kept, and what it accepts: to join
// again takes back no consent, and gives one only when asked.
func (f edgeFile) write(i *config.Importer) error {
	old, err := f.existing()
	if err == nil && old != nil {
		if !f.force && (old.Name != i.Name || old.Source != i.Source) {
			return fault.New(fault.Usage,
				"run the same command with --force to overwrite it (the token still works for this directory), or with another --data-dir after a new token",
				"%s is of edge %s of source %s, and the token was for edge %s of source %s", f.path, old.Name, old.Source, i.Name, i.Source)
		}
		i.Inbox, i.Metrics = old.Inbox, old.Metrics
		secrets := i.Accept.Secrets || old.Accept.Secrets
		i.Accept = old.Accept
		i.Accept.Secrets = secrets
	}
	temporary, err := f.temporary(i)
	if err != nil {
		return f.failed(err)
	}
	failpoint.Hit(failpoint.ConfigBefore)
	if err := os.Rename(temporary, f.path); err != nil {
		return f.failed(err)
	}
	failpoint.Hit(failpoint.ConfigAfter)
	return f.failed(syncDir(filepath.Dir(f.path)))
}

// existing is the file that is there; nil when there is none.
func (f edgeFile) existing() (*config.Importer, error) {
	if _, err := os.Stat(f.path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return config.LoadImporter(f.path)
}

// temporary writes the configuration beside its place, synced.
func (f edgeFile) temporary(i *config.Importer) (string, error) {
	t, err := os.CreateTemp(filepath.Dir(f.path), ".edge.yaml.*")
	if err != nil {
		return "", err
	}
	_, err = t.Write(i.Marshal())
	if err := errors.Join(err, t.Sync(), t.Close()); err != nil {
		return "", errors.Join(err, os.Remove(t.Name()))
	}
	return t.Name(), nil
}

func (f edgeFile) failed(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.General, "give a --data-dir that this user can write to, on a disk with space",
		"write %s: %w", f.path, err)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}
