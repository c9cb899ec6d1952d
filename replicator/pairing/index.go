package pairing

// Access says what the bearer of a key is at the hub.
type Access struct {
	Pair  Record
	Token bool // the key is the pair's token, not its edge
}

// Permissions are what the bearer may do.
func (a Access) Permissions() Permissions {
	if a.Token {
		return JoinPermissions(a.Pair.TokenID)
	}
	return EdgePermissions(a.Pair.Source, a.Pair.Name)
}

// User names the bearer in logs and in refusals.
func (a Access) User() string {
	if a.Token {
		return "token " + a.Pair.TokenID
	}
	return a.Pair.Name
}

// Index answers who a key belongs to. It is the registry in memory. Methods
// must not run at once.
type Index struct {
	pairs  map[string]Entry  // by name; kept for removed pairs too
	keys   map[string]Access // by public key, those let in
	tokens map[string]string // token id to name
}

// NewIndex makes an empty index.
func NewIndex() *Index {
	return &Index{pairs: map[string]Entry{}, keys: map[string]Access{}, tokens: map[string]string{}}
}

// Lookup says who the key belongs to; false means that it is not let in.
func (x *Index) Lookup(key string) (Access, bool) {
	a, ok := x.keys[key]
	return a, ok
}

// TokenPair names the pair of a token id.
func (x *Index) TokenPair(id string) (string, bool) {
	name, ok := x.tokens[id]
	return name, ok
}

// Apply takes over what the entry says unless something newer was applied, and
// gives the keys whose bearers must be disconnected.
func (x *Index) Apply(e Entry) (revoked []string) {
	old, known := x.pairs[e.Name]
	if known && e.Revision <= old.Revision {
		return nil
	}
	before := x.drop(old)
	x.pairs[e.Name] = e
	x.add(e)
	for key, was := range before {
		if now, ok := x.keys[key]; !ok || now.User() != was.User() || now.Pair.Source != was.Pair.Source {
			revoked = append(revoked, key)
		}
	}
	return revoked
}

func (x *Index) drop(e Entry) map[string]Access {
	dropped := map[string]Access{}
	for _, key := range []string{e.Record.TokenKey, e.Record.EdgeKey} {
		if a, ok := x.keys[key]; ok && a.Pair.Name == e.Name {
			dropped[key] = a
			delete(x.keys, key)
		}
	}
	if x.tokens[e.Record.TokenID] == e.Name {
		delete(x.tokens, e.Record.TokenID)
	}
	return dropped
}

// add lets in an edge only while it is paired, and a token always, because a
// used, expired or removed token is told why. A key that another pair holds
// stays with that pair.
func (x *Index) add(e Entry) {
	if e.Err != nil {
		return
	}
	rec := e.Record
	x.tokens[rec.TokenID] = rec.Name
	x.claim(rec.TokenKey, Access{Pair: rec, Token: true})
	if rec.State == Paired {
		x.claim(rec.EdgeKey, Access{Pair: rec})
	}
}

func (x *Index) claim(key string, a Access) {
	if _, taken := x.keys[key]; !taken {
		x.keys[key] = a
	}
}
