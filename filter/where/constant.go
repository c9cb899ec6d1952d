package where

import "cel.dev/cel-go/cel"

// Constant reports whether the expression has one value for all objects, and
// which: it has a value although nothing is known of the object.
func (p *Program) Constant() (value, is bool) {
	env, err := environment()
	if err != nil {
		return false, false
	}
	program, err := env.Program(p.ast, cel.EvalOptions(cel.OptPartialEval), cel.CostLimit(CostLimit), cel.MemoryLimit(maxMemory))
	if err != nil {
		return false, false
	}
	unknown, err := cel.PartialVars(map[string]any{}, cel.AttributePattern("object"))
	if err != nil {
		return false, false
	}
	out, _, err := program.Eval(unknown)
	if err != nil {
		return false, false // it fails, or costs too much to tell
	}
	value, is = out.Value().(bool)
	return value, is
}
