package pairing

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/syncer-io/syncer/replicator/fault"
)

func TestKeyIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "edge.nk")
	var wg sync.WaitGroup
	keys := make([]string, 16)
	for i := range keys {
		wg.Go(func() {
			kp, err := EnsureKey(path)
			if err != nil {
				t.Error(err)
				return
			}
			keys[i], _ = kp.PublicKey()
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k != keys[0] || !nkeys.IsValidPublicUserKey(k) {
			t.Errorf("keys differ: %q and %q", keys[0], k)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file is %v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("directory holds %v, %v", left, err)
	}
}

func TestKeyFileOpenToOthersIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.nk")
	if _, err := EnsureKey(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	_, err := EnsureKey(path)
	if fault.ExitCode(err) != int(fault.Refused) || fault.Try(err) != "chmod 600 "+path {
		t.Errorf("got %v", err)
	}
}

func TestKeyFileWithSomethingElseIsNotReplaced(t *testing.T) {
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := account.Seed()
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"", "not a seed", string(seed)} {
		path := filepath.Join(t.TempDir(), "edge.nk")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := EnsureKey(path)
		if err == nil || fault.Try(err) == "" {
			t.Errorf("content %.4q: got %v", content, err)
		}
		if content != "" && strings.Contains(err.Error(), content) {
			t.Errorf("the error shows the content: %v", err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("the file was changed to %q, %v", got, err)
		}
	}
}

func TestReadKeySaysThatThereIsNone(t *testing.T) {
	if _, err := ReadKey(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
