// Package hub is the embedded hub: a NATS server with JetStream that syncs
// every message to disk, lets in only the keys of its own registry of pairs,
// and answers join requests.
//
// Its directory holds
//
//	LOCK        held while a hub runs on the directory; the server does not lock it itself
//	admin.nk    seed of the admin key, for the exporter and the command line
//	jetstream/  the server's store, the registry of pairs included
//
// Who may connect is decided here, at every connection, by signature: the
// admin key may do everything, a paired edge what pairing.EdgePermissions
// lists, a token what pairing.JoinPermissions lists, and nobody else connects.
package hub
