package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/syncer-io/syncer/replicator/fault"
)

const envAnnotation = "syncer_env"

// bindEnv lets a variable set a flag that the command line does not set. Flags
// that change what is destroyed are never bound: they are said each time.
func bindEnv(flags *pflag.FlagSet, name, variable string) {
	f := flags.Lookup(name)
	f.Usage += " [$" + variable + "]"
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[envAnnotation] = []string{variable}
}

// fromEnvironment sets the flags that are bound to a variable and not given.
// An empty variable counts as not set.
func (s *session) fromEnvironment(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		variables := f.Annotations[envAnnotation]
		if f.Changed || len(variables) == 0 || failed != nil {
			return
		}
		value, ok := s.env(variables[0])
		if !ok || value == "" {
			return
		}
		if err := f.Value.Set(value); err != nil {
			failed = fault.New(fault.Usage, fmt.Sprintf("correct it, or give --%s", f.Name),
				"the variable %s is %q: %w", variables[0], value, err)
		}
	})
	return failed
}
