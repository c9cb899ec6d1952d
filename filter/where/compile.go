package where

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
)

// The limits of an expression. An expression that looks at every field of a
// large object stays far below CostLimit, which is about ten milliseconds.
const (
	MaxLength    = 8 << 10 // characters
	CostLimit    = 100_000 // CEL's cost units
	maxNesting   = 50
	maxLoops     = 3
	maxRegexSize = 10_000
	maxMemory    = 64 << 20 // bytes
)

// environment is what expressions can use. It is made once, as it is the same
// for all, and is not changed afterwards.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("object", cel.DynType),
		cel.OptionalTypes(),
		ext.Strings(ext.StringsVersion(4)),
		ext.Sets(),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(MaxLength),
		cel.ParserRecursionLimit(maxNesting),
		cel.RegexProgramSizeLimit(maxRegexSize),
		cel.ASTValidators(
			cel.ValidateDurationLiterals(),
			cel.ValidateTimestampLiterals(),
			cel.ValidateRegexLiterals(),
			cel.ValidateComprehensionNestingLimit(maxLoops),
		),
	)
})

// Program is a compiled expression. It may be used by any number of
// goroutines at once.
type Program struct {
	text    string
	ast     *cel.Ast
	program cel.Program
}

// Compile reads an expression. It refuses one that is not boolean for every
// object, or that can never be evaluated within CostLimit. The error is an
// *Error with every problem and its place.
func Compile(expr string) (*Program, error) {
	if strings.TrimSpace(expr) == "" {
		return nil, whole("the expression is empty", "write one, or remove the field")
	}
	if n := utf8.RuneCountInString(expr); n > MaxLength {
		return nil, whole(fmt.Sprintf("the expression has %d characters, more than %d", n, MaxLength), "select by names, labels or namespaces first")
	}
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("preparing CEL: %w", err)
	}
	ast, issues := env.Compile(expr)
	if err := issues.Err(); err != nil {
		return nil, problemsOf(expr, issues)
	}
	if err := checkResult(ast); err != nil {
		return nil, err
	}
	if err := checkCost(env, ast); err != nil {
		return nil, err
	}
	program, err := env.Program(ast,
		cel.EvalOptions(cel.OptOptimize),
		cel.CostLimit(CostLimit),
		cel.MemoryLimit(maxMemory),
	)
	if err != nil {
		return nil, whole(oneLine(err.Error()), "")
	}
	return &Program{text: expr, ast: ast, program: program}, nil
}

// checkResult wants true or false. What may be anything is refused as well: it
// would fail for one object and pass for the next.
func checkResult(ast *cel.Ast) error {
	switch t := ast.OutputType(); {
	case t.IsExactType(cel.BoolType):
		return nil
	case t.IsExactType(cel.DynType):
		return whole("the expression may be anything, not just true or false", "compare it, like: "+comparison)
	default:
		return whole(fmt.Sprintf("the expression is of type %s, not true or false", cel.FormatCELType(t)), "compare it, like: "+comparison)
	}
}

const comparison = "object.spec.paused == false"

// checkCost refuses what is too costly for the smallest object already.
func checkCost(env *cel.Env, ast *cel.Ast) error {
	estimate, err := env.EstimateCost(ast, sizes{})
	if err != nil {
		return whole("the cost of the expression cannot be told: "+oneLine(err.Error()), "")
	}
	if estimate.Min > CostLimit && estimate.Min < math.MaxUint64 {
		return whole(fmt.Sprintf("the expression costs at least %d, more than the limit of %d", estimate.Min, CostLimit), "loop over less")
	}
	return nil
}

// ErrTooCostly says that an expression was given up for an object. It says
// nothing about the object: it is neither selected nor left out.
var ErrTooCostly = errors.New("the expression costs more than its limit for this object")
