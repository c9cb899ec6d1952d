package conn_test

import (
	"os"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/jetstream/hub"
)

func TestCredentialFilesThatAreWrong(t *testing.T) {
	h := startHub(t, hub.Options{})
	seed := newSeed(t)
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	accountSeed, err := account.Seed()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		file  string
		class fault.Class
		words []string
	}{
		"missing":        {"/none/edge.nk", fault.Usage, []string{"/none/edge.nk", "syncer join"}},
		"open to others": {write(t, "edge.nk", 0o644, seed), fault.Refused, []string{"chmod 600"}},
		"not a seed":     {write(t, "edge.nk", 0o600, []byte("hello")), fault.Refused, []string{"neither an nkey seed"}},
		"account's seed": {write(t, "edge.nk", 0o600, accountSeed), fault.Refused, []string{"not a user key"}},
		"stranger's":     {write(t, "edge.nk", 0o600, seed), fault.Refused, []string{"refused the credentials of", "syncer pair create"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, keep := range []bool{false, true} {
				if keep && name == "stranger's" {
					continue // the hub may know it later
				}
				_, err := connect(t, conn.Options{URLs: []string{h.URL()}, CredentialsFile: tt.file, KeepTrying: keep})
				explains(t, err, tt.class, tt.words...)
			}
		})
	}
	_, err = connect(t, conn.Options{URLs: []string{h.URL()}, Seed: seed, CredentialsFile: h.AdminSeedFile()})
	if err == nil {
		t.Error("two identities were accepted")
	}
}

func TestSeedInMemoryIsCopied(t *testing.T) {
	h := startHub(t, hub.Options{})
	seed, err := os.ReadFile(h.AdminSeedFile())
	if err != nil {
		t.Fatal(err)
	}
	seed = seed[:len(seed)-1]
	nc, err := connect(t, conn.Options{URLs: []string{h.URL()}, Seed: seed, JitterMax: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	clear(seed)
	if err := nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	if err := nc.FlushWithContext(testContext(t)); err != nil {
		t.Errorf("reconnect after the caller cleared its seed: %v", err)
	}
}

func TestHubThatDoesNotKnowKeys(t *testing.T) {
	url := startNATS(t, &server.Options{})
	_, err := connect(t, conn.Options{URLs: []string{url}, Seed: newSeed(t)})
	explains(t, err, fault.Refused, "does not know keys")
}

func TestHubWithoutJetStreamAndWithSmallPayloads(t *testing.T) {
	url := startNATS(t, &server.Options{MaxPayload: 64 << 10})
	nc, err := connect(t, conn.Options{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	explains(t, conn.CheckJetStream(testContext(t), nc), fault.Check, url, "does not offer JetStream", "jetstream {}")
	explains(t, conn.CheckMaxPayload(nc, 256<<10), fault.Check, url, "65536", "max_payload: 262144")
}

// Somebody else's hub in operator mode gives out .creds files.
func TestCredsFileOfAnOperatedHub(t *testing.T) {
	op, acc, user := newIdentity(t, nkeys.CreateOperator), newIdentity(t, nkeys.CreateAccount), newIdentity(t, nkeys.CreateUser)
	operator := jwt.NewOperatorClaims(op.public)
	operatorJWT, err := operator.Encode(op.pair)
	if err != nil {
		t.Fatal(err)
	}
	accountJWT, err := jwt.NewAccountClaims(acc.public).Encode(op.pair)
	if err != nil {
		t.Fatal(err)
	}
	userJWT, err := jwt.NewUserClaims(user.public).Encode(acc.pair)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(userJWT, user.seed)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := jwt.DecodeOperatorClaims(operatorJWT)
	if err != nil {
		t.Fatal(err)
	}
	resolver := &server.MemAccResolver{}
	if err := resolver.Store(acc.public, accountJWT); err != nil {
		t.Fatal(err)
	}
	url := startNATS(t, &server.Options{TrustedOperators: []*jwt.OperatorClaims{claims}, AccountResolver: resolver})

	nc, err := connect(t, conn.Options{URLs: []string{url}, CredentialsFile: write(t, "user.creds", 0o600, creds)})
	if err != nil {
		t.Fatal(err)
	}
	explains(t, conn.CheckJetStream(testContext(t), nc), fault.Check, "does not offer JetStream")
	_, err = connect(t, conn.Options{URLs: []string{url}, Seed: newSeed(t)})
	explains(t, err, fault.Refused, "refused the credentials")
}

type identity struct {
	pair   nkeys.KeyPair
	public string
	seed   []byte
}

func newIdentity(t *testing.T, create func() (nkeys.KeyPair, error)) identity {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return identity{pair, public, seed}
}
