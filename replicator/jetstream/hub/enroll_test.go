package hub_test

import (
	"path/filepath"
	"testing"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream/hub"
	"github.com/syncer-io/syncer/replicator/pairing"
)

// An edge that has a key is paired without a token, and let in like any other.
// Its name and its key are checked as those of an offer are.
func TestEnrolledEdgeIsLetIn(t *testing.T) {
	h := start(t, hub.Options{DataDir: t.TempDir()})
	file := filepath.Join(t.TempDir(), "edge.nk")
	public := func(file string) string {
		key, err := pairing.EnsureKey(file)
		if err != nil {
			t.Fatal(err)
		}
		defer key.Wipe()
		text, err := key.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	offer := pairing.Offer{Name: "store-1", Source: "cloud", Policy: "flags"}
	if _, err := h.Pairs().Enroll(testContext(t), offer, "not a key"); err == nil {
		t.Error("something that is no key was enrolled")
	}
	rec, err := h.Pairs().Enroll(testContext(t), offer, public(file))
	if err != nil {
		t.Fatal(err)
	}
	if rec.State != pairing.Paired || rec.EdgeKey != public(file) {
		t.Errorf("the record is %+v", rec)
	}
	connectEdge(t, h, "store-1", file)

	other := filepath.Join(t.TempDir(), "other.nk")
	if _, err := h.Pairs().Enroll(testContext(t), offer, public(other)); err == nil || fault.Try(err) == "" {
		t.Errorf("a second edge of that name was enrolled: %v", err)
	}
	offer.Replace = true
	if _, err := h.Pairs().Enroll(testContext(t), offer, public(other)); err != nil {
		t.Fatal(err)
	}
	connectEdge(t, h, "store-1", other)
}
