package strictyaml

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Document is one YAML document and what was found wrong with it so far.
type Document struct {
	report  *Report
	file    string
	lines   source
	root    *yaml.Node        // nil for a document without text
	refused []string          // paths that could not be decoded
	bad     []string          // paths that have another problem
	origins map[string]string // paths whose value was set from elsewhere
}

// Unplaced makes a document without text, for values that were built by a
// program: its problems name the path of the field instead of a line.
func Unplaced(r *Report, name string) *Document {
	return &Document{report: r, file: name}
}

// For is the same document, without problems, for another report.
func (d *Document) For(r *Report) *Document {
	fresh := *d
	fresh.report, fresh.bad, fresh.refused = r, nil, nil
	return &fresh
}

// File is the name of the file that holds the document.
func (d *Document) File() string { return d.file }

// Has reports whether the document has something at a path. A document without
// text has everything.
func (d *Document) Has(path ...any) bool {
	if d.root == nil {
		return true
	}
	_, _, whole := d.find(path)
	return whole
}

// Text is the scalar at a path, and whether there is one.
func (d *Document) Text(path ...any) (string, bool) {
	n, _, whole := d.find(path)
	if !whole || n.Kind != yaml.ScalarNode {
		return "", false
	}
	return n.Value, true
}

// SetOrigin says that the value at a path was set by something other than the
// file, for example an environment variable. Problems with it name the origin.
func (d *Document) SetOrigin(origin string, path ...any) {
	if d.origins == nil {
		d.origins = map[string]string{}
	}
	d.origins[pathKey(path)] = origin
}

// Sound reports whether nothing at, above or below a path has a problem yet.
// A check that combines several fields asks first, so that one mistake is not
// reported twice.
func (d *Document) Sound(path ...any) bool {
	k := pathKey(path)
	for _, b := range slices.Concat(d.refused, d.bad) {
		if strings.HasPrefix(b, k) || strings.HasPrefix(k, b) {
			return false
		}
	}
	return true
}

// isRefused reports whether a path or one above it could not be decoded.
func (d *Document) isRefused(k string) bool {
	return slices.ContainsFunc(d.refused, func(r string) bool { return strings.HasPrefix(k, r) })
}

// At is the place of a field. Names of fields are strings, places in a list
// are ints from 0. A field that is not there is placed at the nearest one
// above it.
func (d *Document) At(path ...any) Spot { return Spot{doc: d, path: path} }

// origin is what set the value at a path or above it, when not the file.
func (d *Document) origin(k string) (string, bool) {
	for path, origin := range d.origins {
		if strings.HasPrefix(k, path) {
			return origin, true
		}
	}
	return "", false
}
