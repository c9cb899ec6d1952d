package strictyaml_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter/strictyaml"
)

type open struct {
	Set   map[string]any `yaml:"set"`
	Value *any           `yaml:"value"`
	Where string         `yaml:"where"`
}

func TestValuesOfAnyShape(t *testing.T) {
	var got open
	err := strictyaml.Decode("f.yaml", []byte(`
set:
  text: plain
  quoted: "yes"
  number: 3
  negative: -7
  ratio: 1.5
  big: 9007199254740993
  flag: true
  nothing: null
  list: [1, {"on": x}, []]
  deep:
    a:
      b: |
        two
        lines
value: null
`), &got)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"text": "plain", "quoted": "yes", "number": int64(3), "negative": int64(-7), "ratio": 1.5,
		"big": int64(9007199254740993), "flag": true, "nothing": nil,
		"list": []any{int64(1), map[string]any{"on": "x"}, []any{}},
		"deep": map[string]any{"a": map[string]any{"b": "two\nlines\n"}},
	}
	if !reflect.DeepEqual(got.Set, want) {
		t.Errorf("got  %#v\nwant %#v", got.Set, want)
	}
	if got.Value == nil || *got.Value != nil {
		t.Errorf("a written null is %v", got.Value)
	}
}

func TestAnAbsentValueIsNotNull(t *testing.T) {
	var got open
	if err := strictyaml.Decode("f.yaml", []byte("where: x\n"), &got); err != nil || got.Value != nil {
		t.Errorf("value is %v, %v", got.Value, err)
	}
}

// TestTrapsInValuesOfAnyShape has what YAML readers disagree on.
func TestTrapsInValuesOfAnyShape(t *testing.T) {
	for text, want := range map[string]string{
		"set: {a: yes}":                  `f.yaml:1:10: "a" is yes, which is true to some YAML readers; for text, put it in quotes: "yes"`,
		"set: {a: True}":                 `f.yaml:1:10: "a" is True, which is true or false; for text, put it in quotes: "True"`,
		"set: {a: {on: 1}}":              `f.yaml:1:11: the name of a field must be text, but on is true to some YAML readers; put it in quotes: "on"`,
		"set: {a: {5: 1}}":               `f.yaml:1:11: the name of a field must be text, but 5 is a number; put it in quotes: "5"`,
		"set: {a: 010}":                  `f.yaml:1:10: "a" is 010, which YAML readers understand differently; write it in plain decimals, or in quotes for text: "010"`,
		"set: {a: 0x1F}":                 `f.yaml:1:10: "a" is 0x1F, which YAML readers understand differently; write it in plain decimals, or in quotes for text: "0x1F"`,
		"set: {a: .inf}":                 `f.yaml:1:10: "a" is .inf, which YAML readers understand differently; write it in plain decimals, or in quotes for text: ".inf"`,
		"set: {a: 2024-01-01}":           `f.yaml:1:10: "a" is 2024-01-01, which is not text to every YAML reader; for text, put it in quotes: "2024-01-01"`,
		"set: {a: ~}":                    `f.yaml:1:7: "a" has no value; give it one, or remove the field`,
		"set:\n  a:\n":                   `f.yaml:2:3: "a" has no value; give it one, or remove the field`,
		"set: {a: [&x 1, *x]}":           `f.yaml:1:11: anchors and aliases (& and *) are not read here; write the value out`,
		"set: {a: !!str 5}":              `f.yaml:1:10: the tag !!str is not read here; remove it, or put the value in quotes`,
		"set: {a: {b: 1, b: 2}}":         `f.yaml:1:17: duplicate field "b"`,
		"set: {a: 99999999999999999999}": `f.yaml:1:10: "a" is too large; for text, put it in quotes: "99999999999999999999"`,
	} {
		err := strictyaml.Decode("f.yaml", []byte(text), &open{})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got\n%v\nwant\n%s", text, err, want)
		}
	}
}

// TestPlacesInsideATexts points at a character of a value.
func TestPlacesInsideATexts(t *testing.T) {
	for text, want := range map[string]string{
		"where: object.a == b":                        "1:20",
		"where: 'object.a == b'":                      "1:21",
		"where: \"object.a == b\"":                    "1:21",
		"where: |\n  object.a == b\n":                 "2:15",
		"where: |-\n    object.a == b":                "2:17",
		"where: >-\n  object.a == b\n":                "2:15",
		"where: >-\n  object.a\n  == b\n":             "1:8", // joined: the text is not there as it is
		"where: 'it''s.... == b'":                     "1:8", // escaped before the place
		"where: \"\\x6fbject.a == b\"":                "1:8",
		"where: >-\n  object.a ==\n  b && object.c\n": "1:8",
	} {
		var r strictyaml.Report
		doc := strictyaml.Parse(&r, "f.yaml", []byte(text))[0]
		doc.Decode(&open{})
		doc.At("where").In(12).Problemf("here")
		got := strings.TrimPrefix(r.Err().Error(), "f.yaml:")
		if !strings.HasPrefix(got, want+":") {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestPlacesInsideLines(t *testing.T) {
	var r strictyaml.Report
	doc := strictyaml.Parse(&r, "f.yaml", []byte("where: |\n  a &&\n    b &&\n\n  cc\n"))[0]
	doc.At("where").In(7).Problemf("b")
	doc.At("where").In(14).Problemf("cc")
	doc.At("where").In(999).Problemf("end")
	got := r.Err().Error()
	for _, want := range []string{"f.yaml:3:5: b\n", "f.yaml:5:4: cc\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwithout %s", got, want)
		}
	}
}
