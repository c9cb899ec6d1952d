package pairing

import (
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/syncer-io/syncer/filter"
)

func publicUserKey(t testing.TB) string {
	t.Helper()
	kp, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	pub, err := kp.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

func someRecord(t testing.TB) Record {
	t.Helper()
	key, err := newToken().publicKey()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	return Record{
		Version: recordVersion, Name: "store-1", Source: "cloud", Policy: "flags", State: Offered,
		TokenID: newToken().ID(), TokenKey: key, Created: at, Expires: at.Add(time.Hour),
	}
}

func TestRecordReadsBack(t *testing.T) {
	offered := someRecord(t)
	paired := offered
	paired.State, paired.EdgeKey, paired.Used = Paired, publicUserKey(t), offered.Created.Add(time.Minute)
	labelled := offered
	labelled.Labels = map[string]string{"region": "eu"}
	for _, want := range []Record{offered, paired, labelled} {
		b, err := encodeRecord(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeRecord(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("read back %+v, %v; want %+v", got, err, want)
		}
	}
}

func TestRecordRefusesWhatWouldGrantTooMuch(t *testing.T) {
	for name, spoil := range map[string]func(*Record){
		"wildcard edge":     func(r *Record) { r.Name = "*" },
		"wildcard source":   func(r *Record) { r.Source = ">" },
		"wildcard label":    func(r *Record) { r.Labels = map[string]string{"region": "*"} },
		"dotted policy":     func(r *Record) { r.Policy = "a.b" },
		"wildcard token id": func(r *Record) { r.TokenID = ">" },
		"no token key":      func(r *Record) { r.TokenKey = "" },
		"account key":       func(r *Record) { r.TokenKey = "A" + r.TokenKey[1:] },
		"edge key is token": func(r *Record) { r.State, r.EdgeKey = Paired, r.TokenKey },
		"no edge key":       func(r *Record) { r.State = Paired },
		"early edge key":    func(r *Record) { r.EdgeKey = publicUserKey(t) },
		"unknown state":     func(r *Record) { r.State = "blessed" },
		"no expiry":         func(r *Record) { r.Expires = time.Time{} },
	} {
		r := someRecord(t)
		spoil(&r)
		if _, err := encodeRecord(r); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRecordOfAnotherVersionStops(t *testing.T) {
	if _, err := decodeRecord([]byte(`{"version":2,"name":"store-1"}`)); err == nil {
		t.Error("accepted")
	}
}

func FuzzDecodeRecord(f *testing.F) {
	b, err := encodeRecord(someRecord(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		if !filter.ValidName(r.Name) || !filter.ValidName(r.Source) || !validTokenID(r.TokenID) {
			t.Errorf("accepted %+v", r)
		}
		again, err := encodeRecord(r)
		if err != nil {
			t.Fatalf("accepted, but does not encode: %v", err)
		}
		if _, err := decodeRecord(again); err != nil {
			t.Errorf("does not read back: %v", err)
		}
	})
}

func FuzzDecodeJoin(f *testing.F) {
	f.Add([]byte(`{"version":1,"edgeKey":"U","proof":"AA=="}`))
	f.Add([]byte(`{"version":1,"grant":{"version":1,"name":"a","source":"b","channel":"c","stream":"SYNC_b","consumer":"a"}}`))
	f.Add([]byte(`{"version":1,"reason":"\u001b[31mno"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := decodeJoinAnswer(b); err == nil {
			if a.Reason != printable(a.Reason, 1024) {
				t.Errorf("reason is not printable: %q", a.Reason)
			}
			if a.Grant != nil && !filter.ValidName(a.Grant.Name) {
				t.Errorf("accepted grant %+v", a.Grant)
			}
		}
		if q, err := decodeJoinRequest("aaaaaaaa", b); err == nil {
			t.Errorf("accepted a request that nobody signed: %+v", q)
		}
	})
}
