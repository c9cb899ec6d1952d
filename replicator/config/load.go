package config

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/fault"
)

// LoadExporter reads an Exporter file, its policies, and checks that the files
// they name can be read. Overlays win over the file, later ones over earlier
// ones: pass the environment first, then the flags. The error has the class
// fault.Usage and lists every problem.
func LoadExporter(path string, overlays ...Overlay) (*Exporter, error) {
	f, err := load(path, KindExporter, overlays)
	if err != nil {
		return nil, err
	}
	return f.Exporter, nil
}

// LoadImporter reads an Importer file. Overlays and errors are those of
// LoadExporter.
func LoadImporter(path string, overlays ...Overlay) (*Importer, error) {
	f, err := load(path, KindImporter, overlays)
	if err != nil {
		return nil, err
	}
	return f.Importer, nil
}

// File is a configuration file; the field of its kind is set.
type File struct {
	Exporter *Exporter
	Importer *Importer
}

// Load reads a file of either kind. Overlays and errors are those of
// LoadExporter.
func Load(path string, overlays ...Overlay) (File, error) {
	return load(path, "", overlays)
}

// load reads a file, which must be of the wanted kind unless that is "".
func load(path, want string, overlays []Overlay) (File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return File{}, fault.New(fault.Usage, "check the path given with -c and its permissions", "reading the configuration: %w", err)
	}
	var r strictyaml.Report
	f := parse(&r, path, data, want, overlays)
	if err := r.Err(); err != nil {
		return File{}, err
	}
	return f, nil
}

// parse reads a file and adds every problem to the report.
func parse(r *strictyaml.Report, path string, data []byte, want string, overlays []Overlay) File {
	docs := strictyaml.Parse(r, path, data)
	if len(docs) == 0 {
		return File{}
	}
	for _, extra := range docs[1:] {
		extra.At().Hint("keep one daemon per file").Problemf("a second document in a configuration file")
	}
	switch kind := kindOf(docs[0], want); kind {
	case KindExporter:
		return File{Exporter: parseExporter(r, docs[0], overlays)}
	case KindImporter:
		return File{Importer: parseImporter(docs[0], overlays)}
	default:
		return File{}
	}
}

// kindOf is the kind of a document, or "" when it is not a wanted one; then
// the rest of the document is not worth reading.
func kindOf(doc *strictyaml.Document, want string) string {
	kind, ok := doc.Text("kind")
	switch {
	case !ok:
		doc.At("kind").Hint("add kind: %s", orEither(want)).Problemf("the file does not say its kind")
	case kind != KindExporter && kind != KindImporter:
		doc.At("kind").Hint("use %s", orEither(want)).Problemf("unknown kind %q", kind)
	case want != "" && kind != want:
		doc.At("kind").Hint("%s", remedy(kind)).Problemf("this command needs kind %s, and the file is of kind %s", want, kind)
	default:
		return kind
	}
	return ""
}

func orEither(want string) string {
	if want != "" {
		return want
	}
	return fmt.Sprintf("%s or %s", KindExporter, KindImporter)
}

// remedy names the command that reads the kind.
func remedy(kind string) string {
	if kind == KindExporter {
		return "run it with syncer export"
	}
	return "run it with syncer import"
}

func parseExporter(r *strictyaml.Report, doc *strictyaml.Document, overlays []Overlay) *Exporter {
	var e Exporter
	doc.Decode(&e)
	resolve(filepath.Dir(doc.File()), e.paths())
	apply(doc, e.slots(), overlays)
	e.SetDefaults()
	e.validate(doc)
	e.Loaded = loadPolicies(r, doc, e.Policies, e.Cluster())
	return &e
}

func parseImporter(doc *strictyaml.Document, overlays []Overlay) *Importer {
	var i Importer
	doc.Decode(&i)
	resolve(filepath.Dir(doc.File()), i.paths())
	apply(doc, i.slots(), overlays)
	i.SetDefaults()
	i.validate(doc)
	return &i
}
