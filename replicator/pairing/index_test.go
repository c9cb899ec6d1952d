package pairing

import (
	"errors"
	"slices"
	"testing"

	"github.com/syncer-io/syncer/replicator/jetstream"
)

func TestIndexFollowsAPair(t *testing.T) {
	x := NewIndex()
	offered := someRecord(t)
	apply := func(rev uint64, r Record) []string { return x.Apply(Entry{Name: r.Name, Revision: rev, Record: r}) }

	if revoked := apply(1, offered); revoked != nil {
		t.Errorf("a new offer revoked %v", revoked)
	}
	if a, ok := x.Lookup(offered.TokenKey); !ok || !a.Token {
		t.Errorf("the token is %v, %v", a, ok)
	}

	paired := offered
	paired.State, paired.EdgeKey = Paired, publicUserKey(t)
	if revoked := apply(2, paired); revoked != nil {
		t.Errorf("pairing revoked %v", revoked)
	}
	if a, ok := x.Lookup(paired.EdgeKey); !ok || a.Token || a.User() != "store-1" {
		t.Errorf("the edge is %v, %v", a, ok)
	}
	if revoked := apply(1, offered); revoked != nil {
		t.Errorf("an old revision counted: %v", revoked)
	}

	removed := paired
	removed.State = Removed
	if revoked := apply(3, removed); !slices.Equal(revoked, []string{paired.EdgeKey}) {
		t.Errorf("removal revoked %v", revoked)
	}
	if _, ok := x.Lookup(paired.EdgeKey); ok {
		t.Error("a removed edge is let in")
	}
	if _, ok := x.Lookup(paired.TokenKey); !ok {
		t.Error("a removed token cannot ask why")
	}
}

func TestIndexShutsOutWhatItCannotRead(t *testing.T) {
	x := NewIndex()
	r := someRecord(t)
	r.State, r.EdgeKey = Paired, publicUserKey(t)
	x.Apply(Entry{Name: r.Name, Revision: 1, Record: r})
	revoked := x.Apply(Entry{Name: r.Name, Revision: 2, Err: errors.New("torn")})
	slices.Sort(revoked)
	want := []string{r.TokenKey, r.EdgeKey}
	slices.Sort(want)
	if !slices.Equal(revoked, want) {
		t.Errorf("revoked %v, want %v", revoked, want)
	}
}

func TestIndexGivesNobodyAnothersKey(t *testing.T) {
	x := NewIndex()
	first := someRecord(t)
	first.State, first.EdgeKey = Paired, publicUserKey(t)
	x.Apply(Entry{Name: first.Name, Revision: 1, Record: first})
	second := someRecord(t)
	second.Name, second.State, second.EdgeKey = "store-2", Paired, first.EdgeKey
	x.Apply(Entry{Name: second.Name, Revision: 2, Record: second})
	if a, _ := x.Lookup(first.EdgeKey); a.User() != "store-1" {
		t.Errorf("the key went to %s", a.User())
	}
	second.State = Removed
	x.Apply(Entry{Name: second.Name, Revision: 3, Record: second})
	if a, ok := x.Lookup(first.EdgeKey); !ok || a.User() != "store-1" {
		t.Errorf("removing the other pair took the key from store-1")
	}
}

func TestReplyAllowed(t *testing.T) {
	for reply, want := range map[string]bool{
		"_INBOX_store-1.abc.1": true, "_R_.abc": true,
		"": false, "_INBOX_store-1": false, "_INBOX_store-1.": false, "_INBOX_store-10.abc": false,
		"_INBOX_store-1.>": false, "$JS.API.STREAM.DELETE.SYNC_cloud": false, "syncer.log.cloud.flags": false,
	} {
		if got := ReplyAllowed(jetstream.InboxPrefix("store-1"), reply); got != want {
			t.Errorf("%q: %v", reply, got)
		}
	}
}
