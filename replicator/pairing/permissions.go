package pairing

import (
	"strings"

	"github.com/syncer-io/syncer/replicator/jetstream"
)

// Permissions are the subjects that a NATS user may publish and subscribe to.
// Everything not listed is refused.
type Permissions struct {
	Publish   []string
	Subscribe []string
}

// JoinInbox is the inbox prefix of a connection made with a token.
func JoinInbox(tokenID string) string { return "_INBOX_join_" + tokenID }

// EdgePermissions is everything a paired edge may do at the hub: look at and
// pull from its own consumer, which only the hub's admin creates, acknowledge
// what it pulled, ask its exporter, and report.
//
// Both forms of the acknowledgement subject are granted: the second is the one
// that carries domain and account, which a hub's operator may turn on.
func EdgePermissions(source, edge string) Permissions {
	own := jetstream.Stream(source) + "." + Consumer(edge)
	return Permissions{
		Publish: []string{
			"$JS.API.CONSUMER.INFO." + own,
			"$JS.API.CONSUMER.MSG.NEXT." + own,
			"$JS.ACK." + own + ".>",
			"$JS.ACK.*.*." + own + ".>",
			jetstream.RPCSubject(source, edge),
			jetstream.StatusSubject(source, edge),
		},
		Subscribe: []string{jetstream.InboxPrefix(edge) + ".>"},
	}
}

// JoinPermissions is everything the bearer of a token may do: ask to join.
func JoinPermissions(tokenID string) Permissions {
	return Permissions{
		Publish:   []string{JoinSubject(tokenID)},
		Subscribe: []string{JoinInbox(tokenID) + ".>"},
	}
}

// ReplyAllowed reports whether a service may answer on reply when the request
// came from the connection with this inbox prefix. NATS checks where a client
// publishes, not where it asks others to answer; a service with wide rights
// that answers anywhere would publish for its callers. Subjects under _R_ are
// the server's own way back to another account, which no client can ask for.
func ReplyAllowed(inbox, reply string) bool {
	if strings.HasPrefix(reply, "_R_.") {
		return true
	}
	rest, ok := strings.CutPrefix(reply, inbox+".")
	return ok && rest != "" && !strings.ContainsAny(rest, "*> \t\r\n")
}
