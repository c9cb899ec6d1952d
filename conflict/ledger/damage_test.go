package ledger

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// written is a file of some size, and its bytes.
func written(t *testing.T) (path string, content []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "conflicts.db")
	l := open(t, path, Options{})
	for i := range 100 {
		r := held(fmt.Sprintf("/%d", i))
		r.Reason = strings.Repeat("why ", 100)
		add(t, l, r)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, content
}

func overwrite(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A damaged file is set aside with all that is in it, and the ledger goes on.
func TestDamagedFileIsSetAside(t *testing.T) {
	path, sound := written(t)
	for i, damaged := range [][]byte{
		[]byte("not a database"),
		sound[:len(sound)/2],
		sound[:5000],
		slices.Concat(sound[:8192], make([]byte, len(sound)-8192)),
		slices.Concat(make([]byte, 8192), sound[8192:]),
		[]byte(strings.ReplaceAll(string(sound), "why ", "who ")),
		[]byte(strings.ReplaceAll(string(sound), `"format":1`, `"format":2`)),
		[]byte(strings.ReplaceAll(string(sound), `"records":100`, `"records":101`)),
	} {
		overwrite(t, path, damaged)
		l := open(t, path, Options{})
		aside := fmt.Sprintf("%s.damaged-%d", path, i+1)
		if got := l.Aside(); !slices.Equal(got, []string{aside}) {
			t.Fatalf("damage %d: set aside %s", i, got)
		}
		if kept, err := os.ReadFile(aside); err != nil || string(kept) != string(damaged) {
			t.Errorf("damage %d: %v, %d bytes are kept of %d", i, err, len(kept), len(damaged))
		}
		if got := ids(t, l, Filter{}); len(got) > 0 {
			t.Errorf("damage %d: %d", i, got)
		}
		add(t, l, record("/new"))
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Whatever bytes change, the file is either read as it was or set aside.
func TestRandomDamage(t *testing.T) {
	path, sound := written(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	asides := 0
	for range 100 {
		damaged := slices.Clone(sound)
		for range 1 + rnd.IntN(20) {
			damaged[rnd.IntN(len(damaged))] ^= byte(1 + rnd.IntN(255))
		}
		overwrite(t, path, damaged)
		l := open(t, path, Options{})
		asides += len(l.Aside())
		if records, err := l.List(Filter{}); err != nil || len(records) != 100 && len(l.Aside()) == 0 {
			t.Errorf("%v, %d records", err, len(records))
		}
		add(t, l, record("/new"))
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if asides < 20 {
		t.Errorf("only %d of 100 were seen to be damaged", asides)
	}
}

// Damage that comes while the file is open does not stop who appends.
func TestDamageWhileOpen(t *testing.T) {
	l := fresh(t, Options{})
	add(t, l, record("/a"))
	err := l.db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket(openBucket) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.List(Filter{}); err == nil {
		t.Error("a damaged file is listed")
	}
	if got := add(t, l, record("/b")); !slices.Equal(got, []uint64{1}) || len(l.Aside()) != 1 {
		t.Errorf("%d, %s", got, l.Aside())
	}
	if got := ids(t, l, Filter{}); !slices.Equal(got, []uint64{1}) {
		t.Errorf("%d", got)
	}
}

const killedPath = "SYNCER_LEDGER_TEST"

// What Append returned is there after the process was killed.
func TestKill(t *testing.T) {
	if path := os.Getenv(killedPath); path != "" {
		appendForever(path)
	}
	path := filepath.Join(t.TempDir(), "conflicts.db")
	for round := range 5 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), killedPath+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var last uint64
		lines := bufio.NewScanner(out)
		for n := 0; n < 3+7*round && lines.Scan(); n++ {
			if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		l := open(t, path, Options{})
		if r, err := l.Get(last); err != nil || last == 0 || len(l.Aside()) > 0 {
			t.Fatalf("record %d: %v, %+v; set aside %s", last, err, r, l.Aside())
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// appendForever prints the last ID of every append that returned.
func appendForever(path string) {
	l, err := Open(path, Options{})
	for err == nil {
		var ids []uint64
		if ids, err = l.Append(held("/a"), record("/b")); err == nil {
			fmt.Println(ids[1])
		}
	}
	fmt.Println(err)
	os.Exit(1)
}
