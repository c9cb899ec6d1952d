package strictyaml

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// The tags that the YAML library gives to nodes.
const (
	nullTag  = "!!null"
	strTag   = "!!str"
	intTag   = "!!int"
	floatTag = "!!float"
	boolTag  = "!!bool"
	mergeTag = "!!merge"
)

const quotedStyle = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

// Enum is a string type with a fixed set of values.
type Enum interface {
	// Values lists the accepted values.
	Values() []string
}

// scalar stores a scalar node in v.
func (a at) scalar(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		a.problemf("", "%s must be %s, not %s", a.subject(), expected(v), describe(n))
		return
	}
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		a.duration(n, p)
	case *Bytes:
		a.bytes(n, p)
	case encoding.TextUnmarshaler:
		if err := p.UnmarshalText([]byte(n.Value)); err != nil {
			a.problemf("", "%s: %s", a.subject(), printable(err.Error()))
		}
	default:
		a.basic(n, v)
	}
}

func (a at) basic(n *yaml.Node, v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		a.boolean(n, v)
	case reflect.Int, reflect.Int64:
		a.integer(n, v)
	default:
		a.text(n, v)
	}
}

func (a at) text(n *yaml.Node, v reflect.Value) {
	if !isText(n) {
		a.problemf("put it in quotes: "+quote(n.Value), "%s must be text, but %s is %s", a.subject(), printable(n.Value), describe(n))
		return
	}
	if e, ok := v.Interface().(Enum); ok && !slices.Contains(e.Values(), n.Value) {
		hint, _ := suggest(n.Value, e.Values())
		a.problemf(hint, "%s cannot be %q", a.subject(), n.Value)
		return
	}
	v.SetString(n.Value)
}

func (a at) boolean(n *yaml.Node, v reflect.Value) {
	switch {
	case n.Style&quotedStyle == 0 && (n.Value == "true" || n.Value == "false"):
		v.SetBool(n.Value == "true")
	default:
		hint := ""
		if b, ok := looseBoolean(n.Value); ok {
			hint = fmt.Sprintf("did you mean %t?", b)
		}
		a.problemf(hint, "%s must be true or false, not %s", a.subject(), written(n))
	}
}

func (a at) integer(n *yaml.Node, v reflect.Value) {
	i, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil || n.ShortTag() != intTag || strconv.FormatInt(i, 10) != n.Value {
		hint := ""
		if err == nil && n.Style&quotedStyle != 0 {
			hint = "remove the quotes"
		}
		a.problemf(hint, "%s must be a whole number, not %s", a.subject(), written(n))
		return
	}
	if v.OverflowInt(i) {
		a.problemf("", "%s is too large", a.subject())
		return
	}
	v.SetInt(i)
}

func (a at) duration(n *yaml.Node, v *time.Duration) {
	d, err := time.ParseDuration(n.Value)
	switch {
	case err == nil && n.ShortTag() == strTag:
		*v = d
	case n.ShortTag() == intTag:
		a.problemf(fmt.Sprintf("did you mean %ss?", n.Value), "%s is a duration and needs a unit", a.subject())
	default:
		a.problemf("", "%s must be a duration like 500ms, 2s or 1h30m, not %q", a.subject(), n.Value)
	}
}

func (a at) bytes(n *yaml.Node, v *Bytes) {
	b, err := ParseBytes(n.Value)
	switch {
	case err == nil && n.ShortTag() == strTag:
		*v = b
	case n.ShortTag() == intTag:
		a.problemf(fmt.Sprintf("did you mean %sMiB?", n.Value), "%s is a size and needs a unit", a.subject())
	default:
		a.problemf("", "%s must be a size like 512KiB, 64MiB or 1GiB, not %q", a.subject(), n.Value)
	}
}

// isText reports whether every YAML reader takes the node for text.
func isText(n *yaml.Node) bool {
	if n.Style&quotedStyle != 0 {
		return true
	}
	_, boolean := looseBoolean(n.Value)
	return !boolean && n.ShortTag() == strTag
}

// looseBoolean is what YAML 1.1 reads from a plain word.
func looseBoolean(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "y":
		return true, true
	case "false", "no", "off", "n":
		return false, true
	default:
		return false, false
	}
}

// expected is how messages call the type of a field.
func expected(v reflect.Value) string {
	switch v.Interface().(type) {
	case time.Duration:
		return "a duration"
	case Bytes:
		return "a size"
	}
	switch v.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	default:
		return "text"
	}
}

// describe is how messages call what a node holds.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	case yaml.AliasNode:
		return "an alias"
	}
	if b, loose := looseBoolean(n.Value); loose && n.Style&quotedStyle == 0 && n.ShortTag() != boolTag {
		return fmt.Sprintf("%t to some YAML readers", b)
	}
	switch n.ShortTag() {
	case intTag, floatTag:
		return "a number"
	case boolTag:
		return "true or false"
	case nullTag:
		return "nothing"
	case strTag:
		return "text"
	default:
		return "not text to every YAML reader"
	}
}

// written is a scalar as it stands in the file, or nearly so.
func written(n *yaml.Node) string {
	if n.Style&quotedStyle != 0 {
		return strconv.Quote(n.Value)
	}
	return printable(n.Value)
}

func quote(s string) string { return strconv.Quote(s) }
func itoa(n int) string     { return strconv.Itoa(n) }
