package config

import (
	"net/url"
	"slices"

	"github.com/syncer-io/syncer/filter/strictyaml"
)

// checkTLS checks the files of a client's TLS.
func checkTLS(doc *strictyaml.Document, t *TLS, path ...any) {
	if t == nil {
		return
	}
	checkAuthority(doc.At(below(path, "ca")...), t.CA)
	if t.InsecureSkipVerify && t.CA != "" {
		doc.At(below(path, "insecureSkipVerify")...).Hint("remove it, or remove ca").
			Problemf("insecureSkipVerify accepts any server, so ca has no effect")
	}
	checkPair(doc, t.Cert, t.Key, path)
}

// checkServerTLS checks the files of a server's TLS.
func checkServerTLS(doc *strictyaml.Document, t *ServerTLS, path ...any) {
	if t == nil {
		return
	}
	if t.Cert == "" && t.Key == "" {
		doc.At(below(path, "cert")...).Hint("add cert and key, or remove tls").Problemf("a server needs a certificate")
	}
	checkAuthority(doc.At(below(path, "ca")...), t.CA)
	checkPair(doc, t.Cert, t.Key, path)
}

func checkAuthority(at strictyaml.Spot, file string) {
	if checkFile(at, file) {
		if _, err := readPool(file); err != nil {
			at.Problemf("%v", err)
		}
	}
}

// checkPair wants a certificate and its key, or neither.
func checkPair(doc *strictyaml.Document, cert, key string, path []any) {
	atCert, atKey := doc.At(below(path, "cert")...), doc.At(below(path, "key")...)
	switch {
	case cert != "" && key == "":
		atKey.Hint("add key").Problemf("cert is set, but its key is missing")
	case cert == "" && key != "":
		atCert.Hint("add cert").Problemf("key is set, but its cert is missing")
	case !checkFile(atCert, cert):
		checkFile(atKey, key)
	case checkFile(atKey, key):
		if _, err := readPair(cert, key); err != nil {
			atCert.Problemf("%v", err)
		}
	}
}

// checkEtcd checks how to reach an etcd cluster.
func checkEtcd(doc *strictyaml.Document, e Etcd, path ...any) {
	at := doc.At(below(path, "endpoints")...)
	if len(e.Endpoints) == 0 {
		at.Hint("add the URLs of etcd").Problemf(`missing field "endpoints" in %s.etcd`, path[0])
	}
	var schemes []string
	for i, text := range e.Endpoints {
		if u := checkEndpoint(doc.At(below(path, "endpoints", i)...), text); u != nil {
			schemes = append(schemes, u.Scheme)
		}
	}
	checkScheme(doc, e, slices.Compact(slices.Sorted(slices.Values(schemes))), path)
	checkTLS(doc, e.TLS, below(path, "tls")...)
	checkUser(doc, e, path)
}

func checkEndpoint(at strictyaml.Spot, text string) *url.URL {
	const example = "http://127.0.0.1:2379"
	u := checkURL(at, text, example, "http", "https")
	if u != nil && u.Port() == "" {
		at.Hint("etcd's port is usually 2379").Problemf("%q has no port", text)
	}
	return u
}

// checkScheme wants TLS settings exactly when the endpoints use TLS.
func checkScheme(doc *strictyaml.Document, e Etcd, schemes []string, path []any) {
	switch {
	case len(schemes) == 2:
		doc.At(below(path, "endpoints")...).Problemf("endpoints mix http and https")
	case len(schemes) == 1 && schemes[0] == "https" && e.TLS == nil:
		doc.At(below(path, "endpoints")...).Hint("add tls with a ca, or tls: {} to trust the roots of the system").
			Problemf("the endpoints use https, but tls is missing")
	case len(schemes) == 1 && schemes[0] == "http" && e.TLS != nil:
		doc.At(below(path, "tls")...).Hint("use https endpoints, or remove tls").
			Problemf("tls is set, but the endpoints use http")
	}
}

func checkUser(doc *strictyaml.Document, e Etcd, path []any) {
	switch {
	case e.User != "" && e.PasswordFile == "":
		doc.At(below(path, "user")...).Hint("add passwordFile").Problemf("user is set, but passwordFile is missing")
	case e.User == "" && e.PasswordFile != "":
		doc.At(below(path, "passwordFile")...).Hint("add user").Problemf("passwordFile is set, but user is missing")
	default:
		checkFile(doc.At(below(path, "passwordFile")...), e.PasswordFile)
	}
}

// below extends a path without touching it.
func below(path []any, more ...any) []any { return slices.Concat(path, more) }
