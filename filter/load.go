package filter

import (
	"fmt"
	"os"

	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/fault"
)

// Load reads and compiles the policies of a file. The error lists every
// problem of the file and has the class fault.Usage.
func Load(file string, c Cluster) ([]*Selection, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.New(fault.Usage, "check the path and its permissions", "reading the policy file: %w", err)
	}
	var r strictyaml.Report
	policies := Parse(&r, file, data, c)
	CheckDistinct(policies)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return CompileAll(policies, c)
}

// Parse reads the policies of a file, one per document, and adds every problem
// to the report. What it returns is complete and valid only when the report
// has no problems.
func Parse(r *strictyaml.Report, file string, data []byte, c Cluster) []Policy {
	var out []Policy
	for _, doc := range strictyaml.Parse(r, file, data) {
		p := Policy{doc: doc}
		doc.Decode(&p)
		p.validate(doc, c)
		out = append(out, p)
	}
	return out
}

// CheckDistinct adds a problem for each policy whose name an earlier one has,
// to the report that the policy was parsed with.
func CheckDistinct(policies []Policy) {
	first := map[string]string{}
	for _, p := range policies {
		name := p.Metadata.Name
		if name == "" || p.doc == nil {
			continue
		}
		at := p.doc.At("metadata", "name")
		if place, taken := first[name]; taken {
			at.Hint("rename one of them").Problemf("policy %q is already defined at %s", name, place)
			continue
		}
		line, _ := at.Position()
		first[name] = fmt.Sprintf("%s:%d", p.doc.File(), line)
	}
}

// CompileAll compiles policies in their order.
func CompileAll(policies []Policy, c Cluster) ([]*Selection, error) {
	out := make([]*Selection, 0, len(policies))
	for _, p := range policies {
		s, err := Compile(p, c)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}
