package object

// Meta is what can be known of a stored object without decoding it. Its strings
// lie in the value that it was read from: the value must not change while they
// are in use. *Meta implements the labels of k8s.io/apimachinery.
type Meta struct {
	APIVersion, Kind     string
	Namespace, Name, UID string
	Controlled           bool  // another object made it and keeps it
	Controller           Owner // that object
	Deleting             bool  // it waits for finalizers

	secretType string // of a Secret
	holder     string // of a Lease
	labels     pairs
	notes      pairs // annotations
}

// Owner is the kind and name of an owner in the same namespace.
type Owner struct{ Kind, Name string }

// ReadMeta reads the metadata of a stored value. Of protobuf, it reads nothing
// else and allocates nothing. The error is a *Refusal.
func ReadMeta(value []byte) (Meta, error) {
	s, err := open(value)
	if err != nil {
		return Meta{}, err
	}
	if s.json != nil {
		return metaOfJSON(s.json)
	}
	return metaOfProtobuf(s.protobuf)
}

// At refuses the metadata of another object than the one that its key names.
func (m *Meta) At(k Key) error {
	if m.Name != k.Name || m.Namespace != k.Namespace {
		return refuse(tryRewrite, "the key names %s, and the value is named %q in the namespace %q", k, m.Name, m.Namespace)
	}
	return nil
}

// Has reports whether the object has the label.
func (m *Meta) Has(label string) bool {
	_, ok := m.labels.lookup(label)
	return ok
}

// Get is the value of the label, or "".
func (m *Meta) Get(label string) string {
	value, _ := m.labels.lookup(label)
	return value
}

// Lookup is the value of the label, and whether the object has it.
func (m *Meta) Lookup(label string) (string, bool) { return m.labels.lookup(label) }

// Annotation is the value of the annotation, and whether the object has it.
func (m *Meta) Annotation(name string) (string, bool) { return m.notes.lookup(name) }

// pairs are labels or annotations: entries of an ObjectMeta in protobuf, or a
// map that was read from JSON.
type pairs struct {
	meta       []byte
	field      uint8
	start, end int // where in meta the entries are
	read       map[string]string
}

// reach extends the pairs to the field at which a walk over the metadata is.
// Entries follow each other, so that looking one up passes over little else.
func (p *pairs) reach(w wire) {
	end := len(p.meta) - len(w.rest)
	if p.end == 0 {
		p.start = end - len(w.field)
	}
	p.end = end
}

func (p pairs) lookup(key string) (value string, ok bool) {
	if p.meta == nil {
		value, ok = p.read[key]
		return value, ok
	}
	for w := (wire{rest: p.meta[p.start:p.end]}); w.next(); {
		if uint8(w.num) != p.field {
			continue
		}
		if k, v := entry(w.bytes); text(k) == key {
			value, ok = text(v), true // as in a decoded map, the last one counts
		}
	}
	return value, ok
}

func entry(b []byte) (key, value []byte) {
	for w := (wire{rest: b}); w.next(); {
		switch w.num {
		case entryKey:
			key = w.bytes
		case entryValue:
			value = w.bytes
		}
	}
	return key, value
}
