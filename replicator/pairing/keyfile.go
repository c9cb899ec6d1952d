package pairing

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nkeys"

	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
)

// EnsureKey reads the user nkey in the file at path, and makes one first when
// there is no file. On return the file exists, is durable, is readable by its
// owner only, and holds the seed of the returned key. Several processes may
// call it at once on one path: all get the same key.
//
// The caller must Wipe the key.
func EnsureKey(path string) (nkeys.KeyPair, error) {
	kp, err := ReadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return kp, err
	}
	if err := createKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fault.New(fault.General,
			"make the directory writable for the user that runs syncer, and see that its disk is not full",
			"create key file %s: %w", path, err)
	}
	return ReadKey(path)
}

// ReadKey reads the user nkey in the file at path. It refuses a file that
// others may read. The error is fs.ErrNotExist when there is no file.
func ReadKey(path string) (nkeys.KeyPair, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.New(fault.Refused, "chmod 600 "+path,
			"key file %s can be read or written by others (mode %04o)", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.General,
			"run syncer as the user that owns the file", "read key file: %w", err)
	}
	defer clear(text)
	kp, err := userKey(bytes.TrimSpace(text))
	if err != nil {
		return nil, fault.New(fault.Refused,
			"restore the file from a copy, or move it away to make a new key (an edge then has to join again)",
			"key file %s: %w", path, err)
	}
	return kp, nil
}

func userKey(seed []byte) (nkeys.KeyPair, error) {
	kp, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("it does not hold an nkey seed: %w", err)
	}
	pub, err := kp.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("it does not hold an nkey seed: %w", err)
	}
	if !nkeys.IsValidPublicUserKey(pub) {
		return nil, errors.New("it holds an nkey that is not a user key (SU…)")
	}
	return kp, nil
}

// cloneSeed gives a seed that outlives the key pair, whose own Wipe clears.
func cloneSeed(kp nkeys.KeyPair) ([]byte, error) {
	seed, err := kp.Seed()
	return bytes.Clone(seed), err
}

// createKey makes the file whole or not at all: a temporary name, synced,
// then linked to path, which fails when another process was first.
func createKey(path string) error {
	kp, err := nkeys.CreateUser()
	if err != nil {
		return err
	}
	defer kp.Wipe()
	seed, err := kp.Seed()
	if err != nil {
		return err
	}
	defer clear(seed)

	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(append(seed, '\n'))
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.KeyBefore)
	if err := os.Link(tmp.Name(), path); err != nil {
		return err
	}
	failpoint.Hit(failpoint.KeyAfter)
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
