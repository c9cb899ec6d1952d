package filter

import (
	"encoding/json"
	"testing"
)

func TestExplain(t *testing.T) {
	s := parsed(t, shopPolicy)
	for _, test := range []struct{ namespace, name, label string }{
		{"shop", "app-1", "a=b"},
		{"dev", "app-1", "a=b"},
		{"dev", "app-1.bak", "sync=true"},
		{"dev", "kube-root-ca.crt", "sync=true"},
		{"dev", "x", "sync=true"},
	} {
		key, value := configMap(test.namespace, test.name, test.label)
		text, err := json.MarshalIndent(s.Explain(key, value), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		compare(t, "testdata/explain/"+test.namespace+"-"+test.name+".json", string(text)+"\n")
	}
	text, err := json.MarshalIndent([]Explanation{
		s.Explain([]byte("/flags/a"), []byte("1")),
		s.Explain([]byte("/other"), []byte("1")),
		s.Explain([]byte("/registry/configmaps/dev/x"), []byte("k8s:enc:aescbc:v1:k1:...")),
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "testdata/explain/others.json", string(text)+"\n")
}
