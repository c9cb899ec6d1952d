package kube

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestTheVersionIsTheOneThatIsBuilt(t *testing.T) {
	text, err := os.ReadFile("../../../.tools/kube/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "k8s.io/kubernetes "+Version+" ") {
		t.Errorf(".tools/kube/go.mod does not pin k8s.io/kubernetes %s", Version)
	}
}

// asked is a test that is asked for binaries where there are none.
type asked struct {
	TB
	skipped, failed string
}

func (a *asked) Helper() {}

func (a *asked) Skipf(format string, args ...any) { a.skipped = fmt.Sprintf(format, args...) }

func (a *asked) Fatalf(format string, args ...any) { a.failed = fmt.Sprintf(format, args...) }

func TestWithoutBinariesATestSaysWhatToRun(t *testing.T) {
	t.Setenv("KUBE_BIN", t.TempDir())
	var usual, needed asked
	t.Setenv("SYNCER_NEED_KUBE", "")
	Binaries(&usual)
	t.Setenv("SYNCER_NEED_KUBE", "1")
	Binaries(&needed)
	if !strings.Contains(usual.skipped, "make kube") || usual.failed != "" {
		t.Errorf("usually: skipped %q, failed %q", usual.skipped, usual.failed)
	}
	if !strings.Contains(needed.failed, "make kube") || needed.skipped != "" {
		t.Errorf("where they are needed: skipped %q, failed %q", needed.skipped, needed.failed)
	}
}
