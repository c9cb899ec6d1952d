package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// TLS is how a client trusts a server, and how it shows who it is.
type TLS struct {
	// CA is a PEM file with the authorities to trust. Default: the roots of
	// the system.
	CA string `yaml:"ca"`
	// Cert is a PEM file with the client's certificate. Default none.
	Cert string `yaml:"cert"`
	// Key is a PEM file with the key of Cert. Required with Cert.
	Key string `yaml:"key"`
	// ServerName is the name that the server's certificate must carry.
	// Default: the host of the URL.
	ServerName string `yaml:"serverName"`
	// InsecureSkipVerify accepts any server: for tests. Default false.
	InsecureSkipVerify bool `yaml:"insecureSkipVerify"`
}

// Config reads the files. A nil TLS gives a nil config.
func (t *TLS) Config() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify,
	}
	var err error
	if c.RootCAs, err = readPool(t.CA); err != nil {
		return nil, err
	}
	c.Certificates, err = readPair(t.Cert, t.Key)
	return c, err
}

// ServerTLS is the certificate of a server.
type ServerTLS struct {
	// Cert is a PEM file with the server's certificate. Required.
	Cert string `yaml:"cert"`
	// Key is a PEM file with the key of Cert. Required.
	Key string `yaml:"key"`
	// CA is a PEM file with the authorities that clients' certificates must
	// come from. Default none: clients need no certificate.
	CA string `yaml:"ca"`
}

// Config reads the files. A nil ServerTLS gives a nil config.
func (t *ServerTLS) Config() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if c.ClientCAs, err = readPool(t.CA); err != nil {
		return nil, err
	}
	if c.ClientCAs != nil {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	c.Certificates, err = readPair(t.Cert, t.Key)
	return c, err
}

// readPool reads authorities; no file gives no pool.
func readPool(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading the certificate authority: %s holds no PEM certificate", file)
	}
	return pool, nil
}

// readPair reads a certificate and its key; no file gives none.
func readPair(cert, key string) ([]tls.Certificate, error) {
	if cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate %s and its key %s: %w", cert, key, err)
	}
	return []tls.Certificate{pair}, nil
}
