package object

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/serializer/cbor/direct"
)

// What a stored value starts with.
var (
	protobufMagic  = []byte("k8s\x00")
	encryptedMagic = []byte("k8s:enc:")
	cborMagic      = []byte{0xd9, 0xd9, 0xf7}
)

const (
	tryRewrite = "write the object again through the API server (kubectl get … -o yaml | kubectl replace -f -); if its value is not Kubernetes' own, leave the key out of the policy"
	tryPlain   = "have it read through the API server (source: {kubernetes: {kubeconfig: FILE}} beside etcd), leave the resource out of the policy, or exempt it from encryption (identity first in --encryption-provider-config of the API server) and write its objects again"
)

// stored is a value with its encoding told: one of the two is set.
type stored struct {
	protobuf []byte // a runtime.Unknown
	json     []byte
}

// open tells the encoding of a value. CBOR becomes JSON, which says the same.
func open(value []byte) (stored, error) {
	if s, ok, err := sniff(value); ok || err != nil {
		return s, err
	}
	// Left behind by an API server on etcd 2.
	plain, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(value)))
	if err == nil {
		if s, ok, err := sniff(plain); ok || err != nil {
			return s, err
		}
	}
	return stored{}, refuse(tryRewrite, "the value is in no encoding of Kubernetes: it starts with %q", value[:min(len(value), 8)])
}

func sniff(value []byte) (stored, bool, error) {
	switch {
	case bytes.HasPrefix(value, protobufMagic):
		return stored{protobuf: value[len(protobufMagic):]}, true, nil
	case bytes.HasPrefix(value, encryptedMagic):
		return stored{}, false, refuse(tryPlain, "the value is encrypted at rest (%s)", provider(value))
	case bytes.HasPrefix(value, cborMagic):
		text, err := cborToJSON(value)
		return stored{json: text}, err == nil, err
	case bytes.HasPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte("{")):
		return stored{json: value}, true, nil
	}
	return stored{}, false, nil
}

// Encrypted reports whether a stored value is encrypted at rest: only its API
// server can read it.
func Encrypted(value []byte) bool { return bytes.HasPrefix(value, encryptedMagic) }

// provider is "aescbc, key k1" of "k8s:enc:aescbc:v1:k1:…".
func provider(value []byte) string {
	parts := bytes.SplitN(value[len(encryptedMagic):], []byte(":"), 4)
	if len(parts) < 4 || len(parts[2]) > 64 {
		return "by an unknown provider"
	}
	return fmt.Sprintf("%q with the key %q", parts[0], parts[2])
}

func cborToJSON(value []byte) ([]byte, error) {
	var fields map[string]any
	if err := direct.Unmarshal(value, &fields); err != nil {
		return nil, refuse(tryRewrite, "the value is not readable as CBOR: %v", err)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, refuse(tryRewrite, "the value cannot be said in JSON: %v", err)
	}
	return text, nil
}
