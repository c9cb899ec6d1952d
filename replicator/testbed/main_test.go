package testbed

import (
	"context"
	"fmt"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	Main()
	if pipe, ok := os.LookupEnv(pipeVariable); ok {
		fmt.Fprintln(os.Stderr, parentOfADeafChild(pipe))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// pipeVariable has a re-executed binary start a child that never reads its
// standard input, and holds the reading end of that pipe as long as it lives.
const pipeVariable = "SYNCER_TESTBED_PIPE"

func parentOfADeafChild(pipe string) error {
	child, err := StartProcess(ProcessConfig{Path: "/bin/sh", Args: []string{"-c", "exec sleep 600 <" + pipe}, DieWithParent: true})
	if err != nil {
		return err
	}
	_, err = child.Wait(context.Background())
	return err
}
