package wal

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// crashOptions keep the log small, so that the kills also meet full logs,
// truncations and rewritten files.
var crashOptions = Options{MaxBytes: 128 << 10, MaxFileBytes: 160 << 10, Lock: time.Minute}

func die(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func crashPayload(seq uint64) []byte { return payload(seq, 100+int(seq*37%3000)) }

// childAppends appends for ever and tells on stdout what it was acknowledged
// ("a LAST") and what it is about to truncate ("t FIRST"). The end of stdin ends
// it, so that it cannot outlive a test that was killed.
func childAppends(path string) {
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		die(err)
		os.Exit(0)
	}()
	l, found, err := Open(path, crashOptions)
	die(err)
	if found.Damaged() {
		die(found.Damage)
	}
	for round := 0; ; round++ {
		batch := make([][]byte, 1+round%9)
		for i := range batch {
			batch[i] = crashPayload(l.Next() + uint64(i))
		}
		if l.Bytes() > crashOptions.MaxBytes/2 {
			below := l.First() + uint64(l.Len()*(round%4+1)/4)
			_, err := fmt.Printf("t %d\n", below)
			die(err)
			die(l.TruncateBelow(below))
		}
		last, err := l.Append(context.Background(), batch...)
		die(err)
		_, err = fmt.Printf("a %d\n", last)
		die(err)
	}
}

func TestAcknowledgedRecordsSurviveKills(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	path := logPath(t)
	var acknowledged, truncated uint64 = 0, 1
	for range 40 {
		cmd := child(t, "append", path)
		_, err := cmd.StdinPipe() // open until Wait
		mustDo(t, err)
		out, err := cmd.StdoutPipe()
		mustDo(t, err)
		mustDo(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for left := 1 + random.IntN(60); lines.Scan(); left-- {
			what, number, _ := strings.Cut(lines.Text(), " ")
			n, err := strconv.ParseUint(number, 10, 64)
			if err != nil {
				break // cut off by the kill
			}
			switch what {
			case "a":
				acknowledged = max(acknowledged, n)
			case "t":
				truncated = max(truncated, n)
			}
			if left == 0 {
				mustDo(t, cmd.Process.Kill())
			}
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("child ended by itself: %v", err)
		}
		checkAfterKill(t, path, acknowledged, truncated)
	}
	t.Logf("%d records acknowledged, %d truncated", acknowledged, truncated-1)
}

func checkAfterKill(t *testing.T, path string, acknowledged, truncated uint64) {
	t.Helper()
	if _, err := Verify(path, nil); err != nil {
		t.Fatal(err)
	}
	l, found, err := Open(path, crashOptions)
	mustDo(t, err)
	got, err := l.Read(0, 1<<30)
	mustDo(t, err)
	if found.Damaged() || l.First() > truncated || l.Next() <= acknowledged {
		t.Fatalf("%v; acknowledged %d, truncated below %d", found, acknowledged, truncated)
	}
	for i, r := range got {
		if want := l.First() + uint64(i); r.Seq != want || !bytes.Equal(r.Data, crashPayload(want)) {
			t.Fatalf("record %d is %d %q", want, r.Seq, r.Data)
		}
	}
	mustDo(t, l.Close())
}

// childCreates makes one log after the other.
func childCreates(dir string) {
	for i := 0; ; i++ {
		l, _, err := Open(filepath.Join(dir, fmt.Sprintf("log-%d", i)), Options{})
		die(err)
		die(l.Close())
		_, err = fmt.Println(i)
		die(err)
	}
}

func TestKilledCreationLeavesASoundLogOrNone(t *testing.T) {
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for range 10 {
		dir := t.TempDir()
		cmd := child(t, "create", dir)
		out, err := cmd.StdoutPipe()
		mustDo(t, err)
		mustDo(t, cmd.Start())
		lines := bufio.NewScanner(out)
		made := 0
		for kill := random.IntN(10); lines.Scan(); made++ {
			if made == kill {
				mustDo(t, cmd.Process.Kill())
			}
		}
		if cmd.Wait() == nil {
			t.Fatal("child ended by itself")
		}
		for i := range made + 2 {
			l, found, err := Open(filepath.Join(dir, fmt.Sprintf("log-%d", i)), Options{})
			if err != nil || found.Damaged() || (i < made && found.Created) {
				t.Fatal(found, err)
			}
			mustDo(t, l.Close())
		}
	}
}
