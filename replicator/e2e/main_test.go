package e2e

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// atATime is how many sites run at a time unless -parallel says otherwise. They
// wait for heartbeats and timeouts most of the time, so it is more than the
// number of cores that a small machine has.
const atATime = 5

func TestMain(m *testing.M) {
	testbed.Main()
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		if err := flag.Set("test.parallel", fmt.Sprint(atATime)); err != nil {
			fmt.Fprintln(os.Stderr, "set how many tests run at a time:", err)
			os.Exit(2)
		}
	}
	os.Exit(m.Run())
}
