package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/syncer-io/syncer/replicator/change"
)

// prefix is what both tools are told to copy.
const prefix = "/bench/"

const valueBytes = 1 << 10

func keyOf(n int) string { return fmt.Sprintf("%sshop/%03d/item-%07d", prefix, n%997, n) }

// values makes values of 1 KiB that look like configuration: a JSON object of
// which about half is words, and half is what no compression makes smaller.
// Values for the same number are the same.
type values struct{ bodies [][]byte }

const bodies = 512

func newValues() values {
	r := rand.New(rand.NewPCG(1, 2))
	v := values{}
	for range bodies {
		v.bodies = append(v.bodies, body(r))
	}
	return v
}

var words = []string{"enabled", "region", "north", "south", "price", "discount", "until", "customer", "segment", "default", "rollout", "percent", "owner", "team"}

func body(r *rand.Rand) []byte {
	var b bytes.Buffer
	b.WriteString(`"rules":[`)
	for b.Len() < valueBytes-headBytes-140 {
		fmt.Fprintf(&b, `{"id":"%016x","when":"%s %s","then":"%s","token":"%s"},`,
			r.Uint64(), words[r.IntN(len(words))], words[r.IntN(len(words))], words[r.IntN(len(words))], token(r))
	}
	b.WriteString(`{}],"note":"`)
	for b.Len() < valueBytes-headBytes-2 {
		b.WriteByte("abcdefghijklmnopqrstuvwxyz0123456789"[r.IntN(36)])
	}
	b.WriteString(`"}`)
	return b.Bytes()
}

// token is 36 characters of which none can be guessed.
func token(r *rand.Rand) string {
	raw := make([]byte, 0, 32)
	for len(raw) < 27 {
		raw = binary.LittleEndian.AppendUint64(raw, r.Uint64())
	}
	return base64.StdEncoding.EncodeToString(raw[:27])
}

// A value starts with who wrote it and as which one of his, in fixed places.
const (
	headFormat = `{"writer":"%04d","number":"%08d",`
	writerAt   = len(`{"writer":"`)
	numberAt   = writerAt + 4 + len(`","number":"`)
	headBytes  = numberAt + 8 + len(`",`)
)

func (v values) value(writer, number int) string {
	return fmt.Sprintf(headFormat, writer, number) + string(v.bodies[(number*7+writer)%bodies])
}

// unlike makes a value that shares its random half with no other, for what is
// measured in bytes: a frame that holds a body twice is smaller than it should
// be.
func unlike(writer, number int) string {
	r := rand.New(rand.NewPCG(uint64(writer), uint64(number)))
	return fmt.Sprintf(headFormat, writer, number) + string(body(r))
}

// object makes a value that looks like a stored object of Kubernetes: a
// Deployment as it crosses, in which an image's digest, a count and a time are
// new each time. Nobody stores values of which half is random, unless they are
// keys or pictures.
func object(writer, number int) string {
	r := rand.New(rand.NewPCG(uint64(writer)+1<<32, uint64(number)))
	var b strings.Builder
	fmt.Fprintf(&b, headFormat, writer, number)
	fmt.Fprintf(&b, `"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"released":"2026-%02d-%02dT%02d:%02d:%02dZ"},"labels":{"app":"%s","tier":"%s"},"name":"%s-%s","namespace":"shop"},`,
		1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), words[r.IntN(len(words))], words[r.IntN(len(words))], words[r.IntN(len(words))], words[r.IntN(len(words))])
	fmt.Fprintf(&b, `"spec":{"replicas":%d,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"image":"registry.example.com/shop/web@sha256:%016x%016x","name":"web",`, 1+r.IntN(9), r.Uint64(), r.Uint64())
	b.WriteString(`"ports":[{"containerPort":8080,"name":"http","protocol":"TCP"}],"readinessProbe":{"httpGet":{"path":"/ready","port":"http"},"periodSeconds":10},"env":[`)
	for i := range 4 {
		fmt.Fprintf(&b, `{"name":"OPTION_%d","value":"%s-%s-%d"},`, i, words[r.IntN(len(words))], words[r.IntN(len(words))], r.IntN(1000))
	}
	b.WriteString(`{"name":"STORE","value":"`)
	for b.Len() < valueBytes-len(`"}]}]}}}}`) {
		b.WriteString(words[r.IntN(len(words))][:1])
	}
	b.WriteString(`"}]}]}}}}`)
	return b.String()
}

func parseValue(b []byte) (writer, number int, err error) {
	if len(b) != valueBytes {
		return 0, 0, fmt.Errorf("a value of %d bytes is none of ours", len(b))
	}
	if writer, err = strconv.Atoi(string(b[writerAt : writerAt+4])); err != nil {
		return 0, 0, err
	}
	number, err = strconv.Atoi(string(b[numberAt : numberAt+8]))
	return writer, number, err
}

// compressed is how small 256 values are in one frame, of 1.
func (v values) compressed() (float64, error) {
	var raw []byte
	for n := range 256 {
		raw = append(raw, keyOf(n)+v.value(0, n)...)
	}
	small, err := change.Compress(raw)
	return float64(len(small)) / float64(len(raw)), err
}
