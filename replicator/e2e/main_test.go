package e2e

import (
	"os"
	"testing"

	"github.com/syncer-io/syncer/replicator/testbed"
)

func TestMain(m *testing.M) {
	testbed.Main()
	os.Exit(m.Run())
}
