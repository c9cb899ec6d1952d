package object

func brokenProtobuf(part string) *Refusal {
	return refuse(tryRewrite, "the value is damaged: its %s is no message of protobuf", part)
}

// envelope is a runtime.Unknown.
type envelope struct{ apiVersion, kind, raw []byte }

func openEnvelope(b []byte) (e envelope, err error) {
	w := wire{rest: b}
	for w.next() {
		switch w.num {
		case unknownTypeMeta:
			t := wire{rest: w.bytes}
			for t.next() {
				switch t.num {
				case typeMetaAPIVersion:
					e.apiVersion = t.bytes
				case typeMetaKind:
					e.kind = t.bytes
				}
			}
			w.bad = w.bad || t.bad
		case unknownRaw:
			e.raw = w.bytes
		case unknownContentEncoding:
			if len(w.bytes) > 0 {
				return envelope{}, refuse(tryRewrite, "the value has the content encoding %q", w.bytes)
			}
		}
	}
	if w.bad {
		return envelope{}, brokenProtobuf("envelope")
	}
	return e, nil
}

func metaOfProtobuf(b []byte) (m Meta, err error) {
	e, err := openEnvelope(b)
	if err != nil {
		return Meta{}, err
	}
	m.APIVersion, m.Kind = text(e.apiVersion), text(e.kind)
	isSecret, isLease := m.Kind == "Secret", m.Kind == "Lease"
	w := wire{rest: e.raw}
	for w.next() {
		switch {
		case w.num == objectMeta:
			if m.labels.meta != nil || !m.readWire(w.bytes) {
				return Meta{}, brokenProtobuf("metadata")
			}
		case w.num == secretType && isSecret:
			m.secretType = text(w.bytes)
		case w.num == leaseSpec && isLease:
			m.holder = holderOf(w.bytes)
		}
	}
	if w.bad {
		return Meta{}, brokenProtobuf("object")
	}
	return m, nil
}

// readWire reads an ObjectMeta; false means that it is damaged.
func (m *Meta) readWire(meta []byte) bool {
	m.labels = pairs{meta: meta, field: metaLabels}
	m.notes = pairs{meta: meta, field: metaAnnotations}
	w := wire{rest: meta}
	for w.next() {
		switch w.num {
		case metaLabels:
			m.labels.reach(w)
		case metaAnnotations:
			m.notes.reach(w)
		case metaName:
			m.Name = text(w.bytes)
		case metaNamespace:
			m.Namespace = text(w.bytes)
		case metaUID:
			m.UID = text(w.bytes)
		case metaDeletionTimestamp:
			m.Deleting = true
		case metaOwnerReferences:
			owner, controls, ok := ownerOf(w.bytes)
			if !ok {
				return false
			}
			if controls {
				m.Controlled, m.Controller = true, owner
			}
		}
	}
	return !w.bad
}

func ownerOf(reference []byte) (o Owner, controls, ok bool) {
	w := wire{rest: reference}
	for w.next() {
		switch w.num {
		case ownerKind:
			o.Kind = text(w.bytes)
		case ownerName:
			o.Name = text(w.bytes)
		case ownerController:
			controls = w.bits != 0
		}
	}
	return o, controls, !w.bad
}

func holderOf(spec []byte) (holder string) {
	for w := (wire{rest: spec}); w.next(); {
		if w.num == leaseHolder {
			holder = text(w.bytes)
		}
	}
	return holder
}
