package config

import (
	"cmp"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/strictyaml"
)

func checkVersion(doc *strictyaml.Document, version string) {
	if version != APIVersion {
		doc.At("apiVersion").Hint("use %s", APIVersion).Problemf("unknown apiVersion %q", version)
	}
}

func checkName(at strictyaml.Spot, name, what string) {
	if !filter.ValidName(name) {
		at.Hint("use lower-case letters, digits and inner hyphens, at most 63").
			Problemf("%q cannot be the name of %s", name, what)
	}
}

func checkRequired(at strictyaml.Spot, value, field string) {
	if value == "" {
		at.Hint("add it").Problemf("missing field %q", field)
	}
}

func atLeast[T cmp.Ordered](at strictyaml.Spot, value, least T) {
	if value < least {
		at.Problemf("%v is below the minimum of %v", value, least)
	}
}

func checkOptionalListen(at strictyaml.Spot, address string) {
	if address != "" {
		checkListen(at, address)
	}
}

// checkListen wants host:port; the host may be empty.
func checkListen(at strictyaml.Spot, address string) {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		at.Hint("use host:port, like 127.0.0.1:4222").Problemf("%q is not an address to listen on", address)
	}
}

// checkURL wants a URL of one of the schemes with a host and, if asked for, a
// port. It gives nil when there was a problem.
func checkURL(at strictyaml.Spot, text, example string, schemes ...string) *url.URL {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		at.Hint("write it like %s", example).Problemf("%q is not a URL with a host", text)
	case !slices.Contains(schemes, u.Scheme):
		at.Hint("use %s", strings.Join(schemes, ", ")).Problemf("unknown scheme %q in %q", u.Scheme, text)
	case u.User != nil:
		at.Secret().Hint("put it in a file, and name that").Problemf("the URL of %s carries a password or a token", u.Host)
	default:
		return u
	}
	return nil
}

// checkLink checks how to reach a hub elsewhere.
func checkLink(doc *strictyaml.Document, l HubLink) {
	at := doc.At("hub", "url")
	for _, text := range l.URLs() {
		u := checkURL(at, text, "nats://hub.example:4222", "nats", "tls", "ws", "wss")
		if u != nil && u.Scheme == "ws" && l.TLS != nil {
			doc.At("hub", "tls").Hint("use wss, or remove tls").Problemf("tls is set, but %s does not use it", text)
		}
	}
	checkFile(doc.At("hub", "credentials"), l.Credentials)
	checkTLS(doc, l.TLS, "hub", "tls")
}

// URLs are the URLs of the hub, one per server.
func (l HubLink) URLs() []string { return split(l.URL) }

// split reads a list that is separated by commas.
func split(list string) []string {
	if list == "" {
		return nil
	}
	parts := strings.Split(list, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
