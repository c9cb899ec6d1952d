package hub

import (
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/syncer-io/syncer/replicator/pairing"
)

// Every edge lives in an account of its own, which sees of the hub exactly the
// subjects the edge may publish on.
//
// Permissions alone do not contain an edge. NATS checks where a client
// publishes but not where it asks others to answer, and the server answers with
// its own rights: a pull of the edge's own consumer whose reply subject is
// $JS.API.STREAM.DELETE.<stream> deletes the stream. Across the account border
// the reply subject means a subject of the edge's own account, where nothing
// listens.
type tenancy struct {
	server *server.Server
	hub    *server.Account // holds the streams
}

// exports of the hub's account, one per kind of subject in EdgePermissions.
var exports = []struct {
	subject  string
	streamed bool // many answers to one request
}{
	{"$JS.API.CONSUMER.INFO.*.*", false},
	{"$JS.API.CONSUMER.MSG.NEXT.*.*", true},
	{"$JS.ACK.>", false},
	{"syncer.rpc.*.*", false},
	{"syncer.status.*.*", false},
}

// pullTime is how long a pull may wait for a next message or heartbeat; a
// longer one would lose its way back across the border.
const pullTime = 10 * time.Minute

func newTenancy(s *server.Server) (*tenancy, error) {
	t := &tenancy{server: s, hub: s.GlobalAccount()}
	for _, e := range exports {
		kind := server.Singleton
		if e.streamed {
			kind = server.Streamed
		}
		if err := t.hub.AddServiceExportWithResponse(e.subject, kind, nil); err != nil {
			return nil, fmt.Errorf("export %s to edges: %w", e.subject, err)
		}
		if err := t.hub.SetServiceExportResponseThreshold(e.subject, pullTime); err != nil {
			return nil, fmt.Errorf("export %s to edges: %w", e.subject, err)
		}
	}
	return t, nil
}

// account gives the account of an edge, made at its first connection. Its name
// holds everything its imports depend on, so they never change.
func (t *tenancy) account(source, edge string) (*server.Account, error) {
	acc, isNew := t.server.LookupOrRegisterAccount("edge_" + source + "_" + edge)
	if !isNew {
		return acc, nil
	}
	for _, subject := range pairing.EdgePermissions(source, edge).Publish {
		if err := acc.AddServiceImport(t.hub, subject, subject); err != nil {
			return nil, fmt.Errorf("import %s for edge %s: %w", subject, edge, err)
		}
	}
	return acc, nil
}
