package config

import (
	"os"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/filter/strictyaml"
)

func TestGoldenMarshal(t *testing.T) {
	inTestdata(t)
	i := Importer{
		Name: "store-1", Source: "cloud", Channel: "flags",
		Hub:     HubLink{URL: "tls://hub.example:4222", Credentials: "edge.nk", TLS: &TLS{CA: "hub-ca.pem"}},
		Target:  Cluster{Etcd: Etcd{Endpoints: []string{"https://127.0.0.1:22379"}, TLS: &TLS{}, User: "edge", PasswordFile: "etcd.password"}},
		DataDir: ".",
	}
	got := string(i.Marshal())
	if *update {
		if err := os.WriteFile("joined.yaml", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("joined.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s", got)
	}
}

// TestMarshalRoundTrip holds for any text in the fields, sensible or not.
func TestMarshalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"no", "1e3", "~", "a: b", "# x", "\u2028\u0085", "\ufeff"}))
		some := rapid.Map(rapid.OneOf(text), func(s string) string { return "x" + s })
		optional := rapid.OneOf(rapid.Just([]string(nil)), rapid.SliceOfN(text, 1, 3))
		link := func() *TLS {
			if rapid.Bool().Draw(t, "plain") {
				return nil
			}
			return &TLS{CA: text.Draw(t, "ca"), ServerName: text.Draw(t, "server"), InsecureSkipVerify: rapid.Bool().Draw(t, "skip")}
		}
		want := Importer{
			APIVersion: APIVersion, Kind: KindImporter,
			Name: text.Draw(t, "name"), Source: text.Draw(t, "source"), Channel: text.Draw(t, "channel"),
			Hub: HubLink{URL: some.Draw(t, "url"), Credentials: text.Draw(t, "credentials"), TLS: link()},
			Target: Cluster{Etcd: Etcd{
				Endpoints: rapid.SliceOfN(text, 1, 3).Draw(t, "endpoints"), TLS: link(),
				User: text.Draw(t, "user"), PasswordFile: text.Draw(t, "password"),
			}, Writer: text.Draw(t, "writer"), KubernetesPrefix: text.Draw(t, "prefix"), RawResources: optional.Draw(t, "raw")},
			Accept: Accept{
				Secrets:  rapid.Bool().Draw(t, "secrets"),
				Prefixes: optional.Draw(t, "prefixes"), Resources: optional.Draw(t, "resources"), Namespaces: optional.Draw(t, "namespaces"),
			},
			DataDir: text.Draw(t, "dir"),
			Inbox:   Inbox{MaxBytes: strictyaml.Bytes(rapid.Int64Min(0).Draw(t, "inbox"))},
			Metrics: Metrics{Listen: text.Draw(t, "metrics")},
		}
		if want.Inbox.MaxBytes == DefaultInboxMaxBytes {
			want.Inbox.MaxBytes = 0
		}
		var got Importer
		if err := strictyaml.Decode("edge.yaml", want.Marshal(), &got); err != nil {
			t.Fatalf("%v\n%s", err, want.Marshal())
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	})
}

func TestDefaultsAreWithinTheirBounds(t *testing.T) {
	var r strictyaml.Report
	e := Exporter{Hub: Hub{Embedded: &EmbeddedHub{}}}
	e.SetDefaults()
	e.validateTuning(strictyaml.Unplaced(&r, "defaults"))
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if e.Heartbeat != 2*time.Second {
		t.Errorf("heartbeat is %v", e.Heartbeat)
	}
}
