package main

import (
	"path/filepath"
	"testing"
)

// FuzzExpectation looks for a delivered value that, written as an expectation,
// is read as another one.
func FuzzExpectation(f *testing.F) {
	for _, value := range []string{
		"", "on", "plain text\n", " \n", "---", "a: b", "\x00\xff", "\u0085\u2028", "tab\there", "12:30:00",
		`{"a":"yes","on":"2024-01-01","o":"0644","n":12345678901,"l":[null,1.5,true,"~"],"t":"12:30:00","m":"a\nb\n","e":""}`,
		`{"big":12345678901234567890}`, `{"a": 1}`, `{"a":1,"a":2}`, `{"<":"&"}`,
	} {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		want := expectation{Verdict: "selected", Key: "/a"}
		want.take(value)
		file := filepath.Join(t.TempDir(), expectedFile)
		if err := writeYAML(file, want); err != nil {
			t.Fatal(err)
		}
		var got expectation
		if err := readYAML(file, &got); err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		if diff, err := got.compare(want); diff != "" || err != nil {
			t.Fatalf("%q: %v\n%s", value, err, diff)
		}
	})
}
