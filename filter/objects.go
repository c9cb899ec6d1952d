package filter

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/transform"
	"github.com/syncer-io/syncer/filter/where"
)

// systemNamespaces are those of the control plane. They cross only by name.
var systemNamespaces = []string{"kube-system", "kube-public", "kube-node-lease"}

// objects is the part of a rule that selects objects, compiled.
type objects struct {
	resources  []object.Resource
	namespaces globs // none: all
	except     globs
	names      globs // none: all
	exceptName globs
	labels     labels.Selector               // nil: any
	where      *where.Program                // nil: any
	transform  map[string]*transform.Program // by the word of the resource
	moves      map[string]string             // namespace at the source → at the edge
	keepStatus bool
}

// compileObjects compiles a rule that was found to be sound.
func (p Policy) compileObjects(i int) (*objects, error) {
	r := p.Spec.Rules[i]
	o := &objects{
		resources:  r.resources(),
		namespaces: globsOf(r.Namespaces),
		except:     p.exceptNamespaces(i),
		names:      globsOf(r.Names),
		exceptName: globsOf(r.ExceptNames),
		moves:      r.moves(),
		keepStatus: r.KeepStatus,
	}
	var err error
	if r.Labels != "" {
		if o.labels, err = labels.Parse(r.Labels); err != nil {
			return nil, err
		}
	}
	if r.Where != "" {
		if o.where, err = where.Compile(r.Where); err != nil {
			return nil, err
		}
	}
	program, problems := transform.Compile(r.Transform)
	if len(problems) > 0 {
		return nil, compileProblem(problems[0].String())
	}
	o.transform = map[string]*transform.Program{}
	for _, res := range o.resources {
		o.transform[res.Word] = program.For(func(names []string) bool {
			_, _, lacks := object.Lacks(res.Word, names)
			return !lacks
		})
	}
	return o, nil
}

// exceptNamespaces are the namespaces that a rule leaves behind.
func (p Policy) exceptNamespaces(i int) globs {
	return globsOf(slices.Concat(p.Spec.Rules[i].ExceptNamespaces, p.Spec.Defaults.ExceptNamespaces))
}

type compileProblem string

func (p compileProblem) Error() string { return string(p) }

// resources are those that the rule names, each once, in the order of its
// list. Unknown words are left out.
func (r Rule) resources() []object.Resource {
	var out []object.Resource
	add := func(one object.Resource) {
		if !slices.ContainsFunc(out, func(o object.Resource) bool { return o.Word == one.Word }) {
			out = append(out, one)
		}
	}
	for _, word := range r.Resources {
		if word == "*" {
			for _, one := range object.Resources() {
				if one.Class == object.Allow {
					add(one)
				}
			}
		} else if one, ok := object.Lookup(word); ok {
			add(one)
		}
	}
	return out
}

// moves are the namespaces that the rule's steps rename.
func (r Rule) moves() map[string]string {
	out := map[string]string{}
	for _, s := range r.Transform {
		if s.Namespace != nil {
			out[s.Namespace.From] = s.Namespace.To
		}
	}
	return out
}

// inNamespace reports whether the rule is about a namespace.
func (o *objects) inNamespace(namespace string) bool {
	if slices.Contains(systemNamespaces, namespace) {
		return o.namespaces.names(namespace)
	}
	return len(o.namespaces) == 0 || o.namespaces.matches(namespace)
}
