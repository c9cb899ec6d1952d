package object

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Canonical is an object as JSON in one line: members sorted by name, no
// character escaped that JSON does not make escape. Objects that are equal have
// equal bytes. The error is a *Refusal when JSON cannot say the object.
func Canonical(object map[string]any) ([]byte, error) {
	if s, bad := notUTF8(object); bad {
		return nil, refuse(tryRewrite, "the text %q is no UTF-8", s)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(object); err != nil {
		return nil, refuse(tryRewrite, "the object cannot be said in JSON: %v", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// notUTF8 finds text that JSON would change without a word.
func notUTF8(v any) (found string, bad bool) {
	switch v := v.(type) {
	case string:
		return v, !utf8.ValidString(v)
	case []any:
		for _, e := range v {
			if found, bad = notUTF8(e); bad {
				return found, bad
			}
		}
	case map[string]any:
		for name, e := range v {
			if !utf8.ValidString(name) {
				return name, true
			}
			if found, bad = notUTF8(e); bad {
				return found, bad
			}
		}
	}
	return "", false
}
