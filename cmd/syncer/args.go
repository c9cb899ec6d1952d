package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/fault"
)

// wants gives a check for the arguments of a command: the required ones, and
// up to optional more.
func wants(optional int, required ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		try := "syncer " + strings.TrimPrefix(cmd.UseLine(), "syncer ")
		switch {
		case len(args) < len(required):
			return fault.New(fault.Usage, try, "%s needs %s", cmd.CommandPath(), required[len(args)])
		case len(args) > len(required)+optional:
			extra := args[len(required)+optional]
			return fault.New(fault.Usage, try, "%s does not take %q", cmd.CommandPath(), extra)
		}
		return nil
	}
}

// oneOf is a flag with a few possible values.
type oneOf struct {
	value   *string
	choices []string
}

func (o oneOf) String() string {
	if o.value == nil {
		return ""
	}
	return *o.value
}

// Set implements pflag.Value.
func (o oneOf) Set(text string) error {
	for _, c := range o.choices {
		if text == c {
			*o.value = text
			return nil
		}
	}
	if near := nearest(text, o.choices); near != "" {
		return fmt.Errorf("it is one of %s; did you mean %q?", strings.Join(o.choices, ", "), near)
	}
	return fmt.Errorf("it is one of %s", strings.Join(o.choices, ", "))
}

// Type implements pflag.Value: what help shows as the value.
func (o oneOf) Type() string { return strings.Join(o.choices, "|") }
