package transform

// Step is one change of an object. Exactly one of its fields is set.
type Step struct {
	// DropFields lists paths of fields to remove. A path that an object does
	// not have is passed over.
	DropFields []string `yaml:"dropFields" json:"dropFields,omitempty"`
	// SetFields gives fields a value, by path. Mappings on the way are made
	// when they are missing, lists never are.
	SetFields map[string]any `yaml:"setFields" json:"setFields,omitempty"`
	// Images moves container images to another registry.
	Images *Images `yaml:"images" json:"images,omitempty"`
	// Namespace moves objects to another namespace.
	Namespace *Namespace `yaml:"namespace" json:"namespace,omitempty"`
	// Annotations adds and removes annotations of the object itself.
	Annotations *Edit `yaml:"annotations" json:"annotations,omitempty"`
	// Labels adds and removes labels of the object itself; those of its pod
	// templates and its selectors stay.
	Labels *Edit `yaml:"labels" json:"labels,omitempty"`
	// Patch is a JSON patch, RFC 6902. An object that it does not fit is
	// refused.
	Patch []Operation `yaml:"patch" item:"operation" json:"patch,omitempty"`
}

// Images replaces the start of image names, at the slashes between their
// parts. Short names are read in full: nginx is docker.io/library/nginx.
type Images struct {
	// From is a registry, or a registry and the start of a path:
	// registry.example.com or docker.io/library. Required.
	From string `yaml:"from,required" json:"from"`
	// To takes the place of From. Required.
	To string `yaml:"to,required" json:"to"`
}

// Namespace renames a namespace: of the objects in it, of the Namespace itself,
// and of the subjects of role bindings.
type Namespace struct {
	// From is the name at the source. Required.
	From string `yaml:"from,required" json:"from"`
	// To is the name at the edge. Required.
	To string `yaml:"to,required" json:"to"`
}

// Edit changes labels or annotations.
type Edit struct {
	// Add sets keys to values, over those that are there.
	Add map[string]string `yaml:"add" json:"add,omitempty"`
	// Remove lists keys to take away. One that is not there is passed over.
	Remove []string `yaml:"remove" json:"remove,omitempty"`
}

// Operation is one operation of a JSON patch.
type Operation struct {
	// Op is add, remove, replace, move, copy or test. Required.
	Op Op `yaml:"op,required" json:"op"`
	// Path is the JSON pointer of what the operation changes or tests, like
	// /spec/replicas. Required.
	Path string `yaml:"path,required" json:"path"`
	// From is the JSON pointer that move and copy read.
	From *string `yaml:"from" json:"from,omitempty"`
	// Value is what add, replace and test need.
	Value *any `yaml:"value" json:"value,omitempty"`
}

// Op is the name of an operation of a JSON patch.
type Op string

// The operations of RFC 6902.
const (
	OpAdd     Op = "add"
	OpRemove  Op = "remove"
	OpReplace Op = "replace"
	OpMove    Op = "move"
	OpCopy    Op = "copy"
	OpTest    Op = "test"
)

// Values lists the operations.
func (Op) Values() []string {
	return []string{string(OpAdd), string(OpRemove), string(OpReplace), string(OpMove), string(OpCopy), string(OpTest)}
}

// kinds are the names of the fields that are set.
func (s Step) kinds() []string {
	var out []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"dropFields", s.DropFields != nil},
		{"setFields", s.SetFields != nil},
		{"images", s.Images != nil},
		{"namespace", s.Namespace != nil},
		{"annotations", s.Annotations != nil},
		{"labels", s.Labels != nil},
		{"patch", s.Patch != nil},
	} {
		if f.set {
			out = append(out, f.name)
		}
	}
	return out
}
