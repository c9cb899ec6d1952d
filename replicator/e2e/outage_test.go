package e2e

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/importer"
	syncstream "github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// alarm raises or ends the alarm of a full database at the target.
func (s *site) alarm(action pb.AlarmRequest_AlarmAction, kind pb.AlarmType) {
	s.t.Helper()
	ctx, cli := s.t.Context(), s.target.Client()
	members, err := cli.MemberList(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = pb.NewMaintenanceClient(cli.ActiveConnection()).Alarm(ctx, &pb.AlarmRequest{
		Action: action, MemberID: members.Members[0].ID, Alarm: kind,
	})
	if err != nil {
		s.t.Fatalf("alarm: %v", err)
	}
}

func TestTargetIsFull(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"running": false, "restarted meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, tr, d := runningSite(t)
			s.alarm(pb.AlarmRequest_ACTIVATE, pb.AlarmType_NOSPACE)
			s.load(t.Context(), workload.Load{Ops: 100})
			halted := s.report("says that the target is full", in(status.Halted))
			if !strings.Contains(halted.Reason, "space") || !strings.Contains(halted.Try, "alarm disarm") {
				t.Errorf("the reason does not help: %q, try %q", halted.Reason, halted.Try)
			}
			if restart {
				d.stopImporter()
				mark := s.reports.mark()
				d.stopImporter = s.startImporter()
				s.reportSince(mark, "says that the target is full", in(status.Halted))
			}
			mark := s.reports.mark()
			s.alarm(pb.AlarmRequest_DEACTIVATE, pb.AlarmType_NOSPACE)
			s.reportSince(mark, "is in sync again", in(status.InSync))
			s.settle()
			s.check(tr)
		})
	}
}

// A target that found its data corrupt takes nothing. The importer says so, and
// goes on when the alarm is off.
func TestTargetFoundItsDataCorrupt(t *testing.T) {
	t.Parallel()
	s, tr, _ := runningSite(t)
	s.alarm(pb.AlarmRequest_ACTIVATE, pb.AlarmType_CORRUPT)
	s.put("/apps/later", "1")
	halted := s.report("says that the data is corrupt", in(status.Halted))
	if !strings.Contains(halted.Try, "alarm disarm") {
		t.Errorf("the reason does not help: %q, try %q", halted.Reason, halted.Try)
	}
	s.alarm(pb.AlarmRequest_DEACTIVATE, pb.AlarmType_CORRUPT)
	s.report("is in sync again", in(status.InSync))
	s.settle()
	s.check(tr)
}

// outages stop a part for a while and start it again.
var outages = map[string]struct {
	stop  func(*site)
	start func(*site)
	seen  func(*site)
}{
	"target": {
		stop:  func(s *site) { s.target.Stop() },
		start: func(s *site) { s.start(s.target.Start) },
		seen:  func(s *site) { s.report("shows the outage", in(status.Halted)) },
	},
	"source": {
		stop:  func(s *site) { s.source.Stop() },
		start: func(s *site) { s.start(s.source.Start) },
		seen:  func(s *site) { s.blames("the source") },
	},
}

func (s *site) start(start func(context.Context) error) {
	s.t.Helper()
	if err := start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func TestOutages(t *testing.T) {
	t.Parallel()
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, tr, _ := runningSite(t)
			s.under(gentle(), func() {
				for range 2 {
					outage.stop(s)
					outage.seen(s)
					outage.start(s)
					s.report("is in sync again", in(status.InSync))
				}
			})
			s.settle()
			s.check(tr)
		})
	}
}

func TestHubOutage(t *testing.T) {
	t.Parallel()
	s, tr, _ := runningSite(t)
	s.under(gentle(), func() {
		for range 2 {
			s.stopHub()
			before := s.sourceRevision()
			s.until("much is written meanwhile", func() bool { return s.sourceRevision() > before+100 })
			mark := s.reports.mark()
			s.startHub()
			s.reportSince(mark, "has gone on", func(e status.Edge) bool { return e.VerifiedRevision > before })
		}
	})
	s.settle()
	s.check(tr)
}

// importer is the site's importer with a connection of its own, for tests that
// ask it when no hub is there to tell.
func (s *site) importer() (*importer.Importer, func(context.Context) error) {
	s.t.Helper()
	logger := s.logger.With("daemon", "importer")
	nc, err := conn.Connect(s.t.Context(), replicator.HubOptions(s.edge.Hub, conn.Options{
		Name: "importer", InboxPrefix: syncstream.InboxPrefix(s.edge.Name), KeepTrying: true, Logger: logger,
	}))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nc.Close)
	im := importer.New(importer.Config{
		Name: s.edge.Name, Source: s.edge.Source, Channel: s.edge.Channel,
		Instance: replicator.NewInstance(), DataDir: s.edge.DataDir, InboxBytes: int64(s.edge.Inbox.MaxBytes),
	}, nc, s.dialTarget(logger), logger)
	return im, im.Run
}

func (s *site) dialTarget(logger *slog.Logger) func(ctx context.Context) (importer.Cluster, error) {
	return func(ctx context.Context) (importer.Cluster, error) {
		cli, err := dial.Dial(ctx, replicator.EtcdConfig(s.edge.Target.Etcd), logger)
		if err != nil {
			return nil, err
		}
		return importer.Etcd(cli, "", logger), nil
	}
}

// An edge that starts while its hub is away applies what it has received.
func TestEdgeStartsWithoutItsHub(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t)
	at := s.sourceRevision()
	s.reportSince(0, "has seen some heartbeats", func(e status.Edge) bool { return e.VerifiedRevision >= at })
	s.fillInbox(d)
	want := digestOf(s.want())
	s.stopHub()
	im, run := s.importer()
	stop := s.daemon("importer", run)
	s.until("the inbox is applied", func() bool { return digestOf(s.have()) == want })
	s.until("it says that it is disconnected", func() bool { return im.Status().State == status.Disconnected })
	if e := im.Status(); !strings.Contains(e.Reason, "hub") || e.Try == "" || e.PendingChanges != 0 {
		t.Errorf("the report does not help: %+v", e)
	}
	s.load(t.Context(), workload.Load{Ops: 100})
	s.startHub()
	s.settle()
	stop()
	s.check(tr)
}
