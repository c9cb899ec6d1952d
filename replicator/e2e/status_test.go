package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/guarantee"
	"github.com/syncer-io/syncer/replicator/testbed/history"
)

// reports is everything that the daemons of a site said about themselves.
type reports struct {
	mu       sync.Mutex
	edge     []status.Edge
	exporter []status.Exporter
	changed  chan struct{} // closed and replaced under mu with each report
}

// listen connects to the hub as its administrator and keeps every report.
func (s *site) listen() {
	s.t.Helper()
	nc, err := conn.Connect(s.t.Context(), conn.Options{
		URLs: strings.Split(s.via(nil), ","), CredentialsFile: s.adminSeed(), Name: "test",
		JitterMax: 10 * time.Millisecond, Logger: s.logger,
	})
	if err != nil {
		s.t.Fatalf("connect to the hub: %v", err)
	}
	s.t.Cleanup(nc.Close)
	s.admin, s.reports = nc, &reports{changed: make(chan struct{})}
	if _, err := nc.Subscribe(jetstream.StatusSubject("cloud", "*"), s.reports.take); err != nil {
		s.t.Fatalf("listen to the reports: %v", err)
	}
	if err := nc.Flush(); err != nil {
		s.t.Fatalf("listen to the reports: %v", err)
	}
}

func (r *reports) take(m *nats.Msg) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if strings.HasSuffix(m.Subject, "."+jetstream.ExporterName) {
		var e status.Exporter
		if json.Unmarshal(m.Data, &e) == nil {
			r.exporter = append(r.exporter, e)
		}
	} else {
		var e status.Edge
		if json.Unmarshal(m.Data, &e) == nil {
			r.edge = append(r.edge, e)
		}
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *reports) mark() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.edge)
}

func (r *reports) since(mark int) (edges []status.Edge, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.edge[mark:len(r.edge):len(r.edge)], r.changed
}

func (r *reports) newestExporter() (status.Exporter, bool, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.exporter) == 0 {
		return status.Exporter{}, false, r.changed
	}
	return r.exporter[len(r.exporter)-1], true, r.changed
}

// patience is how long the slowest recovery may take on a busy machine.
const patience = 45 * time.Second

// report waits for a report of the edge, made from now on, that satisfies a
// condition.
func (s *site) report(what string, condition func(status.Edge) bool) status.Edge {
	s.t.Helper()
	return s.reportSince(s.reports.mark(), what, condition)
}

func (s *site) reportSince(mark int, what string, condition func(status.Edge) bool) status.Edge {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for {
		edges, changed := s.reports.since(mark)
		mark += len(edges)
		for _, e := range edges {
			if condition(e) {
				return e
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			s.t.Fatalf("no report that %s; the newest is %s", what, s.newest())
		}
	}
}

func (s *site) newest() string {
	edges, _ := s.reports.since(0)
	if len(edges) == 0 {
		return "none"
	}
	raw, err := json.Marshal(edges[len(edges)-1])
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

func in(state status.State) func(status.Edge) bool {
	return func(e status.Edge) bool { return e.State == state }
}

func notIn(state status.State) func(status.Edge) bool {
	return func(e status.Edge) bool { return e.State != state }
}

// exporterReport waits for a report of the active exporter.
func (s *site) exporterReport(what string, condition func(status.Exporter) bool) status.Exporter {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for {
		e, ok, changed := s.reports.newestExporter()
		if ok && condition(e) {
			return e
		}
		select {
		case <-changed:
		case <-ctx.Done():
			s.t.Fatalf("no exporter report that %s; the newest is %+v", what, e)
		}
	}
}

// settle waits until the target equals the quiet source and the edge has
// reported so, with the right proof.
func (s *site) settle() status.Edge {
	s.t.Helper()
	mark := s.reports.mark()
	s.waitEqual(patience)
	want := digestOf(s.want())
	now := s.sourceRevision()
	e := s.reportSince(mark, fmt.Sprintf("is in sync at revision %d with digest %v", now, want), func(e status.Edge) bool {
		return e.State == status.InSync && e.VerifiedRevision >= now && e.Digest == want.String() && e.Keys == want.Count
	})
	if !same(s.want(), s.have()) {
		s.t.Fatalf("the edge says that it is in sync and is not: %+v", e)
	}
	if lag := e.SourceRevision - e.AppliedRevision; lag > 0 && e.LagSeconds == 0 && e.PendingChanges == 0 {
		s.t.Errorf("a quiet edge in sync is %d revisions behind: %+v", lag, e)
	}
	return e
}

func (s *site) sourceRevision() int64 {
	s.t.Helper()
	resp, err := s.source.Client().Get(s.t.Context(), "\x00")
	if err != nil {
		s.t.Fatalf("read the source's revision: %v", err)
	}
	return resp.Header.Revision
}

func digestOf(content map[string]string) digest.Digest {
	table := digest.NewTable()
	for k, v := range content {
		table.Put([]byte(k), []byte(v))
	}
	return table.Digest()
}

// honest holds every claim of being in sync against the history of the source
// that had the claim's lineage: at the verified revision one of the selections
// that there were really had that digest.
func honest(t *testing.T, claims []status.Edge, sourceOf func(lineage string) history.History, selections ...guarantee.Rules) {
	t.Helper()
	type claim struct {
		revision int64
		digest   string
	}
	judged := map[string]map[claim]bool{}
	for _, e := range claims {
		if e.State != status.InSync {
			continue
		}
		lineage, c := e.Lineage.String(), claim{e.VerifiedRevision, e.Digest}
		if judged[lineage] == nil {
			judged[lineage] = map[claim]bool{}
		}
		judged[lineage][c] = true
	}
	for lineage, claims := range judged {
		var at []func(revision int64) string
		for _, r := range selections {
			at = append(at, digests(sourceOf(lineage), r))
		}
		for c := range claims {
			if !slices.ContainsFunc(at, func(at func(int64) string) bool { return at(c.revision) == c.digest }) {
				want := at[0](c.revision)
				t.Errorf("an edge said it was in sync at %s@%d with digest %s, the source had %s", lineage, c.revision, c.digest, want)
			}
		}
	}
}

// digests gives the digest of a history's selection at any revision.
func digests(h history.History, rules guarantee.Rules) func(revision int64) string {
	table := digest.NewTable()
	for k, v := range h.Content {
		if key, ok := rules.Map(k); ok {
			table.Put([]byte(key), []byte(v))
		}
	}
	revisions, sums := []int64{h.Base}, []string{table.Digest().String()}
	for _, rev := range h.Revs {
		for _, e := range rev.Events {
			key, ok := rules.Map(e.Key)
			switch {
			case !ok:
			case e.Delete:
				table.Delete([]byte(key))
			default:
				table.Put([]byte(key), []byte(e.Value))
			}
		}
		revisions, sums = append(revisions, rev.Revision), append(sums, table.Digest().String())
	}
	return func(revision int64) string {
		next := sort.Search(len(revisions), func(i int) bool { return revisions[i] > revision })
		return sums[max(next-1, 0)]
	}
}
