package conn

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/syncer-io/syncer/replicator/fault"
)

// credentials gives the option that proves who connects. A .creds file is read
// again at every connection attempt, so that a renewed one is picked up; a seed
// is kept.
func (o Options) credentials() (nats.Option, error) {
	if len(o.Seed) > 0 {
		return seedOption(bytes.Clone(o.Seed))
	}
	if o.CredentialsFile == "" {
		return nil, nil
	}
	text, err := readSecret(o.CredentialsFile)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(text, []byte("-----BEGIN NATS USER JWT-----")) {
		clear(text)
		return nats.UserCredentials(o.CredentialsFile), nil
	}
	opt, err := seedOption(bytes.TrimSpace(text))
	if err != nil {
		return nil, fault.New(fault.Refused, "name the file that syncer join or the hub wrote",
			"credentials file %s: %w", o.CredentialsFile, err)
	}
	return opt, nil
}

// seedOption keeps the seed, because every reconnect signs a new nonce.
func seedOption(seed []byte) (nats.Option, error) {
	kp, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("it holds neither an nkey seed nor NATS credentials: %w", err)
	}
	pub, err := kp.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("nkey seed: %w", err)
	}
	if !nkeys.IsValidPublicUserKey(pub) {
		return nil, errors.New("it holds an nkey that is not a user key (SU…)")
	}
	return nats.Nkey(pub, kp.Sign), nil
}

func readSecret(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage, "name the file that syncer join or the hub wrote", "credentials file: %w", err)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "run syncer as the user that owns the file", "credentials file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.New(fault.Refused, "chmod 600 "+path,
			"credentials file %s can be read or written by others (mode %04o)", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Usage, "run syncer as the user that owns the file", "credentials file: %w", err)
	}
	return text, nil
}
