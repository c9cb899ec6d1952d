package kube

import (
	"os"
	"strings"
	"testing"
)

func TestTheVersionIsTheOneThatIsBuilt(t *testing.T) {
	text, err := os.ReadFile("../../../.tools/kube/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "k8s.io/kubernetes "+Version+"\n") {
		t.Errorf(".tools/kube/go.mod does not pin k8s.io/kubernetes %s", Version)
	}
}
