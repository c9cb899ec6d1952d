package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/syncer-io/syncer/replicator/change"
	syncstream "github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/pairing"
)

// What an edge missed without a history costs what differs: only the keys that
// differ are written, and only the ranges that hold them cross the link.
func TestFewAndManyDifferences(t *testing.T) {
	t.Parallel()
	const keys, size = 20_000, 100
	s, tr, d := runningSite(t, withLinks)
	all := s.fill("/apps/bulk/", keys, size)
	s.settle()
	for _, n := range []int{1, 100, 2000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			d.stopImporter()
			rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			for i, key := range all[:n] {
				s.put(key, fmt.Sprintf("%d of %d differ %s", i, n, noise(size/2)))
			}
			s.exporterHas(s.sourceRevision())
			if err := s.stream().Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
			tr.catchUp(tr.target().recorder)
			seen := len(tr.target().recorder.History().Revs)
			_, before := s.edgeLink.Passed()
			d.stopImporter = s.startImporter()
			s.settle()
			_, after := s.edgeLink.Passed()
			tr.catchUp(tr.target().recorder)
			written := 0
			for _, rev := range tr.target().recorder.History().Revs[seen:] {
				for _, e := range rev.Events {
					if rules.Owns(e.Key) {
						written++
					}
				}
			}
			t.Logf("%d differences: %d keys written, %d KiB on the link", n, written, (after-before)>>10)
			if written != n {
				t.Errorf("%d keys differ, %d were written", n, written)
			}
			// A range holds at most 64 keys; the page, heartbeats and everything
			// else take less than 150 KiB.
			if most := int64(150<<10 + min(n*64, keys)*2*size); after-before > most {
				t.Errorf("%d bytes crossed the link, at most %d", after-before, most)
			}
		})
	}
	s.check(tr)
}

// Many edges that compare at once get one page, made once.
func TestManyEdgesCompareAtOnce(t *testing.T) {
	t.Parallel()
	const edges = 100
	s, _, _ := runningSite(t)
	s.fill("/apps/bulk/", 2000, 100)
	s.settle()
	replies := make([]*nats.Subscription, edges)
	for i := range edges {
		name := fmt.Sprintf("edge-%d", i)
		s.enroll(name)
		sub, err := s.admin.SubscribeSync(syncstream.InboxPrefix(name) + ".page")
		if err != nil {
			t.Fatal(err)
		}
		replies[i] = sub
	}
	first := s.lastSeq() + 1
	for i := range edges {
		name := fmt.Sprintf("edge-%d", i)
		raw, err := json.Marshal(syncstream.Request{Format: syncstream.RPCFormat, Channel: "flags", Page: &syncstream.PageRequest{ID: name}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.admin.PublishRequest(syncstream.RPCSubject("cloud", name), syncstream.InboxPrefix(name)+".page", raw); err != nil {
			t.Fatal(err)
		}
	}
	for i, sub := range replies {
		m, err := sub.NextMsg(patience)
		if err != nil {
			t.Fatalf("edge %d got no answer: %v", i, err)
		}
		var reply syncstream.Reply
		if err := json.Unmarshal(m.Data, &reply); err != nil || reply.Error != nil {
			t.Fatalf("edge %d was refused: %v, %v", i, reply.Error, err)
		}
	}
	pages := s.pages(first, edges)
	t.Logf("%d pages of %d contents", edges, len(pages))
	if len(pages) > edges/10 {
		t.Errorf("%d edges got %d different pages", edges, len(pages))
	}
}

// enroll pairs an edge that exists by name only.
func (s *site) enroll(name string) {
	s.t.Helper()
	key, err := nkeys.CreateUser()
	if err != nil {
		s.t.Fatal(err)
	}
	public, err := key.PublicKey()
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.hub.Pairs().Enroll(s.t.Context(), pairing.Offer{Name: name, Source: theEdge.Source, Policy: theEdge.Policy}, public); err != nil {
		s.t.Fatal(err)
	}
}

// pages waits for so many digest pages on the stream, from a sequence on, and
// gives how many edges got each content.
func (s *site) pages(first uint64, want int) map[string]int {
	s.t.Helper()
	found, got := map[string]int{}, 0
	deadline := time.Now().Add(patience)
	for seq := first; got < want; {
		if time.Now().After(deadline) {
			s.t.Fatalf("%d of %d pages came", got, want)
		}
		m, err := s.stream().GetMsg(s.t.Context(), seq)
		if err != nil {
			continue // not there yet
		}
		seq++
		if f, err := change.DecodeFrame(m.Data); err == nil && f.Kind == change.KindPage {
			found[fmt.Sprint(f.Last, f.Body)]++
			got++
		}
	}
	return found
}
