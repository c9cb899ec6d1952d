package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/fault"
)

// cloudFiles and edgeFiles are where the configuration is looked for when
// nobody names it, the first one found is used.
func cloudFiles() []string {
	return []string{"cloud.yaml", "/etc/syncer/cloud.yaml", "/etc/syncer/config.yaml"}
}

func edgeFiles() []string {
	return []string{"edge.yaml", "/etc/syncer/edge.yaml", "/etc/syncer/config.yaml"}
}

// configFile is the file to use: -c, $SYNCER_CONFIG, or the first candidate
// that exists.
func (s *session) configFile(candidates []string) (string, error) {
	if s.config != "" {
		return s.config, nil
	}
	for _, path := range candidates {
		if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
	}
	return "", fault.New(fault.Usage, "name it with -c FILE or SYNCER_CONFIG",
		"there is no configuration file; looked for %s", strings.Join(candidates, ", "))
}

// overlays are the environment, then the flags, which win.
func (s *session) overlays(flags config.Overlay) []config.Overlay {
	return []config.Overlay{config.FromEnvironment(s.env), flags}
}

// exporterConfig reads the cloud's configuration.
func (s *session) exporterConfig(flags config.Overlay) (*config.Exporter, string, error) {
	path, err := s.configFile(cloudFiles())
	if err != nil {
		return nil, "", err
	}
	cfg, err := config.LoadExporter(path, s.overlays(flags)...)
	return cfg, path, err
}

// importerConfig reads an edge's configuration.
func (s *session) importerConfig(flags config.Overlay) (*config.Importer, string, error) {
	path, err := s.configFile(edgeFiles())
	if err != nil {
		return nil, "", err
	}
	cfg, err := config.LoadImporter(path, s.overlays(flags)...)
	return cfg, path, err
}

// anyConfig reads a configuration of either kind.
func (s *session) anyConfig() (config.File, string, error) {
	path, err := s.configFile(append(cloudFiles(), edgeFiles()...))
	if err != nil {
		return config.File{}, "", err
	}
	file, err := config.Load(path, s.overlays(config.Overlay{})...)
	return file, path, err
}
