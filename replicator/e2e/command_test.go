package e2e

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	natsstream "github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/control"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// An accepted command is in the hub, in the order of the edge's frames, also
// while the edge is away.
func TestAcceptedCommandIsStoredForItsEdge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	want := command.New(command.Plan)
	want.Prefix = "/edge/flags/a"
	err := jetstream.AskCommand(t.Context(), s.admin, "cloud", "store-1", want)
	if !errors.Is(err, jetstream.ErrNoExporter) || fault.ExitCode(err) != int(fault.Unreachable) {
		t.Fatalf("without an exporter: %v", err)
	}
	s.startExporter()
	s.ask("store-1", want)
	if got := s.storedCommand("store-1"); got.ID != want.ID || got.Verb != want.Verb || got.Prefix != want.Prefix {
		t.Errorf("the hub holds %+v, want %+v", got, want)
	}
}

func TestExporterRefusesACommandToAStranger(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.startExporter()
	s.ask("store-1", command.New(command.Verify))
	err := jetstream.AskCommand(t.Context(), s.admin, "cloud", "store-9", command.New(command.Verify))
	if fault.ExitCode(err) != int(fault.Refused) || fault.Try(err) != "syncer pair list" || !strings.Contains(err.Error(), "edge store-9 is not paired with source cloud") {
		t.Errorf("a command to a stranger: %v", err)
	}
	err = jetstream.AskCommand(t.Context(), s.admin, "cloud", "store-1", command.New("explode"))
	if fault.ExitCode(err) != int(fault.Refused) || !strings.Contains(err.Error(), `unknown command "explode"`) {
		t.Errorf("an unknown command: %v", err)
	}
}

// The importer answers at its control socket while it runs, and takes a
// command once.
func TestImporterTakesCommandsAtItsSocket(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	client := control.NewClient(s.edge.DataDir)
	defer client.Close()
	if _, err := client.Status(t.Context()); fault.ExitCode(err) != int(fault.Unreachable) {
		t.Fatalf("before it runs: %v", err)
	}
	stop := s.startImporter()
	asked := command.New(command.Verify)
	for range 2 {
		s.untilReached(func() error { return client.Command(t.Context(), asked) })
	}
	e, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tasks := slices.DeleteFunc(e.Tasks, func(k command.Task) bool { return k.ID != asked.ID })
	if e.Name != "store-1" || len(tasks) != 1 || tasks[0].Verb != command.Verify {
		t.Errorf("edge %s tells of %+v", e.Name, e.Tasks)
	}
	stop()
	if left, err := filepath.Glob(filepath.Join(s.edge.DataDir, "*control*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// ask sends a command until an exporter takes it.
func (s *site) ask(edge string, c command.Command) {
	s.t.Helper()
	s.untilReached(func() error {
		ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second) // an exporter that ends answers nobody
		defer cancel()
		return jetstream.AskCommand(ctx, s.admin, "cloud", edge, c)
	})
}

// untilReached does something until the daemon that it needs is there.
func (s *site) untilReached(fn func() error) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for {
		err := fn()
		if err == nil {
			return
		}
		if fault.ExitCode(err) != int(fault.Unreachable) {
			s.t.Fatal(err)
		}
		select {
		case <-tick.C:
		case <-limit:
			s.t.Fatal(err)
		}
	}
}

// storedCommand is the newest command to an edge that the hub holds.
func (s *site) storedCommand(edge string) command.Command {
	s.t.Helper()
	js, err := natsstream.New(s.admin)
	if err != nil {
		s.t.Fatal(err)
	}
	stream, err := js.Stream(s.t.Context(), jetstream.Stream("cloud"))
	if err != nil {
		s.t.Fatal(err)
	}
	m, err := stream.GetLastMsgForSubject(s.t.Context(), jetstream.OrderSubject("cloud", edge))
	if err != nil {
		s.t.Fatal(err)
	}
	c, ok, err := command.FromMessage(m.Data)
	if err != nil || !ok {
		s.t.Fatalf("no command: %v", err)
	}
	return c
}
