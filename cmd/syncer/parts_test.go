package main

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/change"
)

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{
		"statsu": "status", "stat": "status", "dcotor": "doctor", "imprt": "import", "xyzzy": "", "e": "",
	} {
		if got := nearest(word, []string{"status", "doctor", "import", "export"}); got != want {
			t.Errorf("nearest(%q) is %q, want %q", word, got, want)
		}
	}
}

func TestFloorsAreOldEnoughAndNotOlder(t *testing.T) {
	at := func(revision int64) map[string]change.Position {
		return map[string]change.Position{"flags": {Revision: revision}}
	}
	start := time.Now()
	var f floors
	if f.settled(start) != nil {
		t.Error("floors before anything was seen")
	}
	for i := range int64(20) {
		f.add(start.Add(time.Duration(i)*time.Second), at(i))
	}
	if got := f.settled(start.Add(3 * time.Second))["flags"].Revision; got != 0 {
		t.Errorf("the first floor is %d, want that of the first look", got)
	}
	if got := f.settled(start.Add(19 * time.Second))["flags"].Revision; got != 13 {
		t.Errorf("floor is %d, want 13", got)
	}
	if len(f.past) > 8 {
		t.Errorf("%d floors are remembered", len(f.past))
	}
}

func TestFreshnessWaitsForReportsAfterTheStart(t *testing.T) {
	now := time.Now()
	newest := map[string]change.Position{"flags": {Revision: 9}}
	var f freshness
	for i, exported := range []time.Time{now, now, now.Add(time.Second), now.Add(time.Second)} {
		if f.see(view{exported: exported, newest: newest}); f.floors != nil {
			t.Fatalf("fresh after look %d", i)
		}
	}
	if f.see(view{exported: now.Add(2 * time.Second), newest: newest}); f.floors["flags"].Revision != 9 {
		t.Error("not fresh after two new reports")
	}
}

func TestLocalAddress(t *testing.T) {
	for listen, want := range map[string]string{
		"0.0.0.0:4222": "127.0.0.1:4222", ":4222": "127.0.0.1:4222", "[::]:4222": "[::1]:4222", "10.1.2.3:1": "10.1.2.3:1", "hub:1": "hub:1",
	} {
		if got, err := localAddress(listen); err != nil || got != want {
			t.Errorf("%s is reached at %q, %v; want %q", listen, got, err, want)
		}
	}
}

func TestPageIsHarmlessForATerminal(t *testing.T) {
	var p page
	p.line("reason: %s", "\x1b[2Jgone\a")
	p.table([][]cell{plain("EDGE", "STATE"), plain("\x1b]0;x", "ok")})
	if strings.ContainsAny(p.String(), "\x1b\a") {
		t.Errorf("control characters came through: %q", p.String())
	}
}

// Every command says what it does and shows an example, and those that print
// data print it for programs as well.
func TestEveryCommandIsComplete(t *testing.T) {
	readers := map[string]bool{
		"syncer status": true, "syncer doctor": true, "syncer version": true, "syncer pair create": true,
		"syncer pair list": true, "syncer pair show": true, "syncer wal inspect": true, "syncer wal verify": true,
		"syncer resync": true, "syncer verify": true, "syncer diff": true, "syncer pause": true, "syncer resume": true,
		"syncer parked list": true, "syncer parked show": true, "syncer parked retry": true, "syncer parked drop": true,
		"syncer conflicts list": true, "syncer conflicts show": true, "syncer conflicts resolve": true,
		"syncer policy validate": true, "syncer policy explain": true, "syncer policy test": true, "syncer policy plan": true, "syncer policy apply": true, "syncer policy list": true, "syncer policy show": true,
	}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		path := c.CommandPath()
		if c.Name() == "completion" || c.Name() == "help" || c.IsAdditionalHelpTopicCommand() {
			return
		}
		if c.Short == "" || !c.HasSubCommands() && c.Example == "" {
			t.Errorf("%s lacks a summary or an example", path)
		}
		if readers[path] != (c.Flags().Lookup("output") != nil) {
			t.Errorf("%s: does it print data? %v", path, readers[path])
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&session{env: func(string) (string, bool) { return "", false }}))
}
