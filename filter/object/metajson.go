package object

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// scan reads some members of one JSON object and passes over the others. The
// first error sticks.
type scan struct {
	*jsontext.Decoder
	err error
}

func metaOfJSON(value []byte) (m Meta, err error) {
	s := scan{Decoder: jsontext.NewDecoder(bytes.NewBuffer(value))}
	s.members(func(name string) {
		switch name {
		case "apiVersion":
			m.APIVersion = s.text()
		case "kind":
			m.Kind = s.text()
		case "metadata":
			s.metadata(&m)
		case "type":
			m.secretType = s.textOrOther()
		case "spec":
			s.members(func(name string) {
				if name == "holderIdentity" {
					m.holder = s.textOrOther()
				}
			})
		}
	})
	if s.err == nil {
		if _, err := s.ReadToken(); !errors.Is(err, io.EOF) {
			s.err = errors.New("there is more after the object")
		}
	}
	if s.err != nil {
		return Meta{}, refuse(tryRewrite, "the value is damaged: %v", s.err)
	}
	return m, nil
}

func (s *scan) metadata(m *Meta) {
	s.members(func(name string) {
		switch name {
		case "name":
			m.Name = s.text()
		case "namespace":
			m.Namespace = s.text()
		case "uid":
			m.UID = s.text()
		case "deletionTimestamp":
			m.Deleting = s.text() != ""
		case "labels":
			m.labels.read = s.texts()
		case "annotations":
			m.notes.read = s.texts()
		case "ownerReferences":
			s.owners(m)
		}
	})
}

func (s *scan) owners(m *Meta) {
	s.elements(func() {
		var owner Owner
		controls := false
		s.members(func(name string) {
			switch name {
			case "kind":
				owner.Kind = s.text()
			case "name":
				owner.Name = s.text()
			case "controller":
				controls = s.token().Kind() == 't'
			}
		})
		if controls {
			m.Controlled, m.Controller = true, owner
		}
	})
}

// members calls read with the name of each member of the object that comes
// next; what read leaves alone is passed over, and so is whatever is no object.
func (s *scan) members(read func(name string)) {
	if s.err != nil || s.PeekKind() != '{' {
		s.skip()
		return
	}
	s.token()
	for s.err == nil && s.PeekKind() != '}' {
		name := s.text()
		before := s.InputOffset()
		read(name)
		if s.InputOffset() == before {
			s.skip()
		}
	}
	s.token()
}

func (s *scan) elements(read func()) {
	if s.err != nil || s.PeekKind() != '[' {
		s.skip()
		return
	}
	s.token()
	for s.err == nil && s.PeekKind() != ']' {
		read()
	}
	s.token()
}

func (s *scan) texts() map[string]string {
	read := map[string]string{}
	s.members(func(name string) { read[name] = s.text() })
	return read
}

// text is the string that comes next; null is "".
func (s *scan) text() string {
	t := s.token()
	switch {
	case s.err != nil || t.Kind() == 'n':
		return ""
	case t.Kind() != '"':
		s.err = fmt.Errorf("%s is no string", s.StackPointer())
		return ""
	}
	return t.String()
}

// textOrOther is for a member that is a string in the kinds that matter.
func (s *scan) textOrOther() string {
	if s.PeekKind() == '"' {
		return s.text()
	}
	s.skip()
	return ""
}

func (s *scan) token() (t jsontext.Token) {
	if s.err == nil {
		t, s.err = s.ReadToken()
	}
	return t
}

func (s *scan) skip() {
	if s.err == nil {
		s.err = s.SkipValue()
	}
}
