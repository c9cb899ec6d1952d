package strictyaml_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/filter/strictyaml"
)

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]strictyaml.Bytes{
		"0B": 0, "7B": 7, "1KiB": 1024, "2kB": 2000, "2KB": 2000, "3 MiB": 3 << 20, "4MB": 4e6,
		"5GiB": 5 << 30, "6GB": 6e9, "7TiB": 7 << 40, "8TB": 8e12,
	} {
		if got, err := strictyaml.ParseBytes(text); err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "7", "-1B", "1.5GiB", "1gib", "1KiBs", "9999999999TiB", "99999999999999999999B", "1  KiB"} {
		if got, err := strictyaml.ParseBytes(text); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func TestBytesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := strictyaml.Bytes(rapid.Int64Min(0).Draw(t, "size"))
		if got, err := strictyaml.ParseBytes(want.String()); err != nil || got != want {
			t.Fatalf("%v is read as %d, %v", want, got, err)
		}
	})
}
