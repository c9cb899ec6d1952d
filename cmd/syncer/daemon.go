package main

import (
	"context"

	"github.com/spf13/cobra"
)

// untilStopped runs a daemon until the command is told to stop, which is how a
// daemon ends well: the context it gets says only that it is over.
func untilStopped(cmd *cobra.Command, daemon func(context.Context) error) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(cmd.Context()))
	defer cancel()
	defer context.AfterFunc(cmd.Context(), cancel)()
	return daemon(ctx)
}
