package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/strictyaml"
)

// Cluster is what policies have to know of the source.
func (e *Exporter) Cluster() filter.Cluster { return filter.Cluster{Prefix: e.Source.KubernetesPrefix} }

// loadPolicies reads the policies of every file that the patterns match, each
// file once. It gives nothing when there is any problem.
func loadPolicies(r *strictyaml.Report, doc *strictyaml.Document, patterns []string, c filter.Cluster) []filter.Policy {
	var policies []filter.Policy
	var files []string
	for i, pattern := range patterns {
		if pattern == "" {
			continue
		}
		for _, file := range match(doc.At("policies", i), pattern) {
			if slices.Contains(files, file) {
				continue
			}
			files = append(files, file)
			if data, ok := readFile(doc.At("policies", i), file); ok {
				policies = append(policies, filter.Parse(r, file, data, c)...)
			}
		}
	}
	filter.CheckDistinct(policies)
	if r.Err() != nil {
		return nil
	}
	for _, p := range policies {
		if p.PerEdge() {
			continue // compiled for each edge
		}
		if _, err := filter.Compile(p, c); err != nil {
			doc.At("policies").Problemf("%v", err)
		}
	}
	return policies
}

// match lists the files of a pattern. A path that exists, or has no wildcard,
// is itself.
func match(at strictyaml.Spot, pattern string) []string {
	if _, err := os.Stat(pattern); err == nil || !strings.ContainsAny(pattern, "*?[") {
		return []string{pattern}
	}
	files, err := filepath.Glob(pattern)
	if err != nil {
		at.Problemf("%q is not a path or a glob: %v", pattern, err)
	} else if len(files) == 0 {
		at.Hint("check the path; it is relative to this file").Problemf("no file matches %q", pattern)
	}
	return files
}
