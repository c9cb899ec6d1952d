package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// twin runs an importer with the credentials of the site's edge and a data
// directory of its own, as a copied machine does. Its end is on the channel.
func (s *site) twin(name string) (ended <-chan error, stop func()) {
	s.t.Helper()
	cfg := *s.edge
	cfg.DataDir = filepath.Join(s.dir, name)
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done, out := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(done)
		out <- replicator.Import(ctx, &cfg, s.logger.With("daemon", name))
	}()
	stop = func() {
		cancel()
		<-done
	}
	s.t.Cleanup(stop)
	return out, stop
}

// fenced waits for an importer's end and checks what it says.
func (s *site) fenced(ended <-chan error, by string) {
	s.t.Helper()
	select {
	case err := <-ended:
		var f *target.Fenced
		if !errors.As(err, &f) || fault.ExitCode(err) != int(fault.Safety) || fault.Try(err) == "" {
			s.t.Fatalf("the importer ended with %v (exit code %d), not fenced", err, fault.ExitCode(err))
		}
		if f.By == "" || !strings.Contains(err.Error(), f.By) || (by != "" && f.By != by) {
			s.t.Errorf("the importer does not say that it was fenced by %q: %v", by, err)
		}
	case <-time.After(patience):
		s.t.Fatal("the importer was not fenced")
	}
}

func TestTwoImportersOfOneEdge(t *testing.T) {
	t.Parallel()
	for name, busy := range map[string]bool{"idle": false, "busy": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			tr := s.record()
			s.load(t.Context(), workload.Load{Ops: 200})
			s.startExporter()
			first, _ := s.twin("first")
			s.settle()
			meet := func() {
				mark := s.reports.mark()
				second, _ := s.twin("second")
				began := time.Now()
				s.fenced(first, "")
				t.Logf("fenced after %v", time.Since(began).Round(time.Millisecond))
				s.reportSince(mark, "is in sync again", in(status.InSync))
				select {
				case err := <-second:
					t.Fatalf("the second importer ended as well: %v", err)
				default:
				}
			}
			if busy {
				s.under(gentle(), meet)
			} else {
				meet()
			}
			s.settle()
			s.check(tr)
		})
	}
}
