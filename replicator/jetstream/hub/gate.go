package hub

import (
	"encoding/base64"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/syncer-io/syncer/replicator/pairing"
)

// gate decides who connects. It is asked by the server at every connection and
// told by the registry about every pair.
type gate struct {
	admin string // public key
	log   *slog.Logger

	mu       sync.Mutex
	index    *pairing.Index
	live     map[string][]uint64 // connections by public key; some may be gone
	server   *server.Server      // set before any edge connects
	tenancy  *tenancy            // set with server
	revision uint64              // of the registry, applied in order
	moved    chan struct{}       // closed and replaced when revision grows
}

func newGate(admin string, log *slog.Logger) *gate {
	return &gate{
		admin: admin, log: log, index: pairing.NewIndex(),
		live: map[string][]uint64{}, moved: make(chan struct{}),
	}
}

// adminUser names the bearer of the admin key.
const adminUser = "admin"

// joinTime is how long a connection made with a token lasts at most.
const joinTime = time.Minute

// Check implements server.Authentication.
func (g *gate) Check(c server.ClientAuthentication) bool {
	if c.Kind() != server.CLIENT {
		return false
	}
	key := c.GetOpts().Nkey
	if !signed(key, c.GetOpts().Sig, c.GetNonce()) {
		g.log.Warn("connection refused: no valid signature", "remote", remote(c))
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	user, ok := g.user(key)
	if !ok {
		g.log.Warn("connection refused: unknown or removed key", "key", key, "remote", remote(c))
		return false
	}
	c.RegisterUser(user)
	g.remember(key, c.GetID())
	return true
}

// signed reports whether the bearer of key signed this connection's nonce.
func signed(key, sig string, nonce []byte) bool {
	if !nkeys.IsValidPublicUserKey(key) || sig == "" || len(nonce) == 0 {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(sig, "="))
	if err != nil {
		return false
	}
	pub, err := nkeys.FromPublicKey(key)
	return err == nil && pub.Verify(nonce, raw) == nil
}

func remote(c server.ClientAuthentication) string {
	if a := c.RemoteAddress(); a != nil {
		return a.String()
	}
	return "in process"
}

// user says what the bearer of key may do. It is called with mu held.
func (g *gate) user(key string) (*server.User, bool) {
	if key == g.admin {
		return &server.User{Username: adminUser}, true
	}
	access, ok := g.index.Lookup(key)
	if !ok {
		return nil, false
	}
	user := &server.User{Username: access.User(), Permissions: permissions(access)}
	if access.Token {
		user.ConnectionDeadline = time.Now().Add(joinTime)
		return user, true
	}
	var err error
	user.Account, err = g.tenancy.account(access.Pair.Source, access.Pair.Name)
	if err != nil {
		g.log.Error("connection refused: the edge's account cannot be made", "pair", access.Pair.Name, "error", err)
		return nil, false
	}
	return user, true
}

func permissions(a pairing.Access) *server.Permissions {
	p := a.Permissions()
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: p.Publish},
		Subscribe: &server.SubjectPermission{Allow: p.Subscribe},
	}
}

// remember notes a connection for its revocation and forgets those that are
// gone. It is called with mu held, so a revocation either finds the
// connection here or is found by Check.
func (g *gate) remember(key string, id uint64) {
	if key == g.admin {
		return
	}
	g.live[key] = slices.DeleteFunc(g.live[key], func(id uint64) bool { return g.server.GetClient(id) == nil })
	g.live[key] = append(g.live[key], id)
}

// Apply implements pairing.Directory: it makes the entry count and ends the
// connections that it revokes.
func (g *gate) Apply(e pairing.Entry) {
	if e.Err != nil {
		g.log.Error("pair shut out: its record cannot be read", "pair", e.Name, "error", e.Err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, key := range g.index.Apply(e) {
		for _, id := range g.live[key] {
			if g.server.DisconnectClientByID(id) == nil {
				g.log.Info("connection ended: its key was revoked", "pair", e.Name, "key", key)
			}
		}
		delete(g.live, key)
	}
}

// advance notes that everything up to revision was applied.
func (g *gate) advance(revision uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if revision > g.revision {
		g.revision = revision
		close(g.moved)
		g.moved = make(chan struct{})
	}
}

// reached gives the applied revision and a channel that is closed when it
// grows.
func (g *gate) reached() (uint64, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.revision, g.moved
}

// TokenPair implements pairing.Directory.
func (g *gate) TokenPair(id string) (string, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.index.TokenPair(id)
}

// Holder implements pairing.Directory.
func (g *gate) Holder(key string) (string, bool) {
	if key == g.admin {
		return adminUser, true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	access, ok := g.index.Lookup(key)
	return access.User(), ok
}
