package main

import (
	"crypto/tls"
	"net"

	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
)

// ownTLS is how to trust a hub on this host whose certificate file is at hand:
// by that very certificate, under a name that it carries.
func ownTLS(t *config.ServerTLS, address string) (conn.TLS, error) {
	out := conn.TLS{CA: t.Cert}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return out, fault.New(fault.Usage, "set hub.embedded.tls.cert and key to a matching pair of PEM files",
			"hub.embedded.tls: %w", err)
	}
	host, _, err := net.SplitHostPort(address)
	if err == nil && pair.Leaf.VerifyHostname(host) != nil && len(pair.Leaf.DNSNames) > 0 {
		out.ServerName = pair.Leaf.DNSNames[0]
	}
	if t.CA != "" { // clients need a certificate of this authority
		out.Cert, out.Key = t.Cert, t.Key
	}
	return out, nil
}
