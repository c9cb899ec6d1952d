package transform

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
)

// maxCopied bounds, in bytes, how much the copies of one patch may add to an
// object: more than etcd can hold, and far less than a patch that doubles an
// object again and again asks for.
const maxCopied = 4 << 20

// patching applies a JSON patch.
type patching struct{ patch jsonpatch.Patch }

func compilePatch(ps *problems, ops []Operation) action {
	if len(ops) == 0 {
		ps.add(&flaw{"no operations", "add one, or remove the step"}, "patch")
		return nil
	}
	before := len(ps.list)
	for i, op := range ops {
		op.check(func(f *flaw, field ...any) { ps.add(f, append([]any{"patch", i}, field...)...) })
	}
	if len(ps.list) > before {
		return nil
	}
	patch, err := decodePatch(ops)
	if err != nil {
		ps.add(&flaw{"not a JSON patch: " + err.Error(), "see RFC 6902"}, "patch")
	}
	return patching{patch: patch}
}

func decodePatch(ops []Operation) (jsonpatch.Patch, error) {
	b, err := json.Marshal(ops)
	if err != nil {
		return nil, fmt.Errorf("writing JSON: %w", err)
	}
	return jsonpatch.DecodePatch(b)
}

// check finds what is wrong with an operation.
func (op Operation) check(add func(f *flaw, field ...any)) {
	changes, reads, takes := true, false, false
	switch op.Op {
	case OpAdd, OpReplace:
		takes = true
	case OpTest:
		changes, takes = false, true
	case OpMove, OpCopy:
		reads = true
	case OpRemove:
	default:
		add(&flaw{fmt.Sprintf("op cannot be %q", op.Op), "use " + strings.Join(op.Op.Values(), ", ")}, "op")
		return
	}
	if f := checkPointer(op.Path, changes, op.Op != OpRemove); f != nil {
		add(f, "path")
	}
	op.checkValue(takes, add)
	op.checkFrom(reads, add)
}

func (op Operation) checkValue(takes bool, add func(f *flaw, field ...any)) {
	switch {
	case takes && op.Value == nil:
		add(&flaw{fmt.Sprintf("%s needs a value", op.Op), "add value: to the operation"})
	case !takes && op.Value != nil:
		add(&flaw{fmt.Sprintf("%s takes no value", op.Op), "remove it"}, "value")
	case takes:
		if _, err := jsonValue(*op.Value); err != nil {
			add(&flaw{err.Error(), ""}, "value")
		}
	}
}

func (op Operation) checkFrom(reads bool, add func(f *flaw, field ...any)) {
	switch {
	case reads && op.From == nil:
		add(&flaw{fmt.Sprintf("%s needs a from", op.Op), "add from: to the operation"})
	case !reads && op.From != nil:
		add(&flaw{fmt.Sprintf("%s takes no from", op.Op), "remove it"}, "from")
	case !reads:
	default:
		if f := checkPointer(*op.From, op.Op == OpMove, false); f != nil {
			add(f, "from")
		}
		if op.Op == OpMove && strings.HasPrefix(op.Path, *op.From+"/") {
			add(&flaw{"a value cannot move into itself", "use copy"}, "from")
		}
	}
}

// checkPointer reads a JSON pointer and refuses one that a patch must not
// change.
func checkPointer(s string, changes, sets bool) *flaw {
	path, f := parsePointer(s)
	if f != nil || !changes {
		return f
	}
	if f := identityTouched(path); f != nil || !sets {
		return f
	}
	return clusterTouched(path)
}

func parsePointer(s string) ([]string, *flaw) {
	if s == "" {
		return nil, nil
	}
	if s[0] != '/' {
		return nil, &flaw{fmt.Sprintf("%q is not a JSON pointer", s), fmt.Sprintf("did you mean %q?", "/"+strings.ReplaceAll(s, ".", "/"))}
	}
	path := strings.Split(s[1:], "/")
	for i, token := range path {
		escapes := strings.Count(token, "~0") + strings.Count(token, "~1")
		if strings.Count(token, "~") != escapes {
			return nil, &flaw{fmt.Sprintf("%q has a ~ that stands for nothing", s), "write ~0 for ~ and ~1 for /"}
		}
		path[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return path, nil
}

func (p patching) apply(obj map[string]any) error {
	before, err := json.Marshal(obj)
	if err != nil {
		return fmt.Errorf("writing the object as JSON: %w", err)
	}
	options := jsonpatch.NewApplyOptions()
	options.SupportNegativeIndices = false
	options.AccumulatedCopySizeLimit = maxCopied
	after, err := p.patch.ApplyWithOptions(before, options)
	if err != nil {
		return fmt.Errorf("the patch does not fit: %w", err)
	}
	v, err := parseJSON(after)
	if err != nil {
		return err
	}
	patched, isMap := v.(map[string]any)
	if !isMap {
		return fmt.Errorf("the patch makes %s of the object", describe(v))
	}
	clear(obj)
	maps.Copy(obj, patched)
	return nil
}
