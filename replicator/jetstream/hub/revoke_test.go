package hub_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/jetstream/hub"
	"github.com/syncer-io/syncer/replicator/pairing"
)

func connectError(t *testing.T, o conn.Options) error {
	t.Helper()
	nc, err := conn.Connect(testContext(t), o)
	if err == nil {
		nc.Close()
	}
	return err
}

func TestRemovedEdgeIsDisconnectedAndStaysOut(t *testing.T) {
	dir := t.TempDir()
	h := start(t, hub.Options{DataDir: dir})
	file := pair(t, h, "store-1")
	edge := connectEdge(t, h, "store-1", file)
	other := connectEdge(t, h, "store-2", pair(t, h, "store-2"))

	// As the command line does it: over the network, with the admin key.
	pairs, err := pairing.OpenRegistry(testContext(t), admin(t, h), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pairs.Remove(testContext(t), "store-1"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-edge.closed:
	case <-testContext(t).Done():
		t.Fatal("the removed edge is still connected")
	}
	refused := func(h *hub.Hub) {
		t.Helper()
		err := connectError(t, conn.Options{URLs: []string{h.URL()}, CredentialsFile: file})
		if fault.ExitCode(err) != int(fault.Refused) || !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("the removed edge got %v", err)
		}
	}
	refused(h)
	if _, err := other.RequestWithContext(testContext(t), "syncer.rpc.cloud.store-2", nil); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("the other edge suffered: %v", err)
	}

	if err := h.Stop(); err != nil {
		t.Fatal(err)
	}
	h = start(t, hub.Options{DataDir: dir})
	refused(h)
}

func TestPairsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	h := start(t, hub.Options{DataDir: dir})
	file := pair(t, h, "store-1")
	if err := h.Stop(); err != nil {
		t.Fatal(err)
	}
	h = start(t, hub.Options{DataDir: dir})
	connectEdge(t, h, "store-1", file)
	admin(t, h)
}

func TestReplacedEdgeIsDisconnected(t *testing.T) {
	h := start(t, hub.Options{})
	edge := connectEdge(t, h, "store-1", pair(t, h, "store-1"))
	if _, _, err := h.Pairs().Create(testContext(t), pairing.Offer{Name: "store-1", Source: "cloud", Policy: "flags", Replace: true}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-edge.closed:
	case <-testContext(t).Done():
		t.Fatal("the replaced edge is still connected")
	}
}

func TestStrangersAreRefused(t *testing.T) {
	h := start(t, hub.Options{})
	stranger, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := stranger.Seed()
	if err != nil {
		t.Fatal(err)
	}
	err = connectError(t, conn.Options{URLs: []string{h.URL()}, Seed: seed})
	if fault.ExitCode(err) != int(fault.Refused) || !strings.Contains(err.Error(), "refused the credentials") {
		t.Errorf("a strange key: %v", err)
	}
	err = connectError(t, conn.Options{URLs: []string{h.URL()}})
	if fault.ExitCode(err) != int(fault.Refused) || !strings.Contains(fault.Try(err), "admin.nk") {
		t.Errorf("no credentials: %v", err)
	}
	adminKey, err := pairing.ReadKey(h.AdminSeedFile())
	if err != nil {
		t.Fatal(err)
	}
	public, err := adminKey.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, sign := range map[string]nats.SignatureHandler{
		"with another key":    stranger.Sign,
		"of something else":   func([]byte) ([]byte, error) { return adminKey.Sign([]byte("not the nonce")) },
		"that is empty":       func([]byte) ([]byte, error) { return nil, nil },
		"that is not base64 ": func([]byte) ([]byte, error) { return []byte("x"), nil },
	} {
		nc, err := nats.Connect(h.URL(), nats.Nkey(public, sign))
		if err == nil {
			nc.Close()
		}
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("the admin's name with a signature %s: %v", name, err)
		}
	}
}

func TestStopEndsEverything(t *testing.T) {
	h := start(t, hub.Options{})
	if err := h.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := h.Stop(); err != nil {
		t.Errorf("a second stop: %v", err)
	}
	if _, err := h.Pairs().List(context.Background()); err == nil {
		t.Error("the registry of a stopped hub answers")
	}
}
