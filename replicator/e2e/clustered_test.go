package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/pairing"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// clustered is a hub of three servers that somebody else runs: its operator
// made an account for syncer and one for the edge, and wrote the keys of both
// into the servers' configuration.
type clustered struct {
	*testbed.HubCluster
	adminSeed string
	edgeKey   string // public
}

// withCluster makes the site's hub a cluster of three.
func withCluster(s *site) {
	s.t.Helper()
	c := &clustered{adminSeed: filepath.Join(s.dir, "admin.nk")}
	c.edgeKey = s.publicKey(s.edgeKey())
	c.HubCluster = testbed.NewHubCluster(s.t, testbed.HubClusterConfig{
		Dir:      filepath.Join(s.dir, "cluster"),
		Accounts: accounts(s.publicKey(c.adminSeed), c.edgeKey),
	})
	s.cluster = c
}

// publicKey makes a key in a file and gives its public half.
func (s *site) publicKey(file string) string {
	s.t.Helper()
	key, err := pairing.EnsureKey(file)
	if err != nil {
		s.t.Fatal(err)
	}
	defer key.Wipe()
	public, err := key.PublicKey()
	if err != nil {
		s.t.Fatal(err)
	}
	return public
}

// accounts is what docs/operations.md asks of an operator: one account that
// holds the streams, and one per edge that sees what the edge may use.
func accounts(admin, edge string) string {
	rights := pairing.EdgePermissions(theEdge.Source, theEdge.Name)
	// Without an import of $JS.API.INFO the server gives the edge's account an
	// API of its own, which answers beside the imported one that it knows no
	// stream.
	imports := []string{`{service: {account: SYNCER, subject: "$JS.API.INFO"}}`}
	for _, subject := range rights.Publish {
		imports = append(imports, fmt.Sprintf("{service: {account: SYNCER, subject: %q}}", subject))
	}
	return fmt.Sprintf(`accounts {
  SYNCER {
    jetstream: enabled
    users: [{nkey: %s}]
    exports: [
      {service: "$JS.API.INFO"}
      {service: "$JS.API.CONSUMER.INFO.*.*", threshold: "10m"}
      {service: "$JS.API.CONSUMER.MSG.NEXT.*.*", response: stream, threshold: "10m"}
      {service: "$JS.ACK.>", threshold: "10m"}
      {service: "syncer.rpc.*.*", threshold: "10m"}
      {service: "syncer.status.*.*", threshold: "10m"}
    ]
  }
  EDGE {
    users: [{nkey: %s, permissions: {publish: [%s], subscribe: [%s]}}]
    imports: [
      %s
    ]
  }
}`, admin, edge, quoted(rights.Publish), quoted(rights.Subscribe), strings.Join(imports, "\n      "))
}

func quoted(subjects []string) string {
	out := make([]string, len(subjects))
	for i, s := range subjects {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, ", ")
}

// enroll writes the edge into the registry of pairs, once the cluster has
// elected its leaders.
func (c *clustered) enroll(s *site) pairing.Grant {
	s.t.Helper()
	nc, err := conn.Connect(s.t.Context(), conn.Options{URLs: strings.Split(c.URLs(), ","), CredentialsFile: c.adminSeed, Name: "enroll"})
	if err != nil {
		s.t.Fatalf("connect to the cluster: %v", err)
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for {
		rec, err := c.tryEnroll(ctx, nc)
		if err == nil {
			return rec.Grant()
		}
		if ctx.Err() != nil {
			s.t.Fatalf("enroll the edge: %v", err)
		}
	}
}

func (c *clustered) tryEnroll(ctx context.Context, nc *nats.Conn) (pairing.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // nobody answers while nobody leads
	defer cancel()
	registry, err := pairing.OpenReplicated(ctx, nc, len(c.Nodes()), nil)
	if err != nil {
		return pairing.Record{}, err
	}
	return registry.Enroll(ctx, theEdge, c.edgeKey)
}

// leads is the node that leads the log stream of the site.
func (s *site) leads() *testbed.HubNode {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	n, err := s.cluster.Leader(ctx, s.admin, jetstream.Stream("cloud"))
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// whole waits until the log stream has all its replicas.
func (s *site) whole() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := s.cluster.Whole(ctx, s.admin, jetstream.Stream("cloud")); err != nil {
		s.t.Fatal(err)
	}
}
