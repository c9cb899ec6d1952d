package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/pairing"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// perEdge gives each edge the objects in the namespace of its label, in a
// namespace that is called the same at all edges.
const perEdge = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  rules:
    - name: store
      resources: [configmaps]
      namespaces: ["store-${edge.labels.store}"]
      transform: [{namespace: {from: "store-${edge.labels.store}", to: here}}]
      maxDeletePercent: 100
`

// article is an object as the cloud's API server stores it, and as edges get
// it.
func article(store, name, value string) (key, stored, delivered string) {
	key = "/registry/configmaps/store-" + store + "/" + name
	stored = fmt.Sprintf(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":%q,"namespace":"store-%s","uid":"0-%s","creationTimestamp":"2026-01-02T03:04:05Z"},"data":{"value":%q}}`+"\n", name, store, name, value)
	return key, stored, fmt.Sprintf(`{"apiVersion":"v1","data":{"value":%q},"kind":"ConfigMap","metadata":{"name":%q,"namespace":"here"}}`, value, name)
}

// sells puts an article into a store.
func (s *site) sells(store, name, value string) {
	s.t.Helper()
	key, stored, delivered := article(store, name, value)
	s.put(key, stored)
	if s.shelves[store] == nil {
		s.shelves[store] = map[string]string{}
	}
	s.shelves[store]["/kubernetes/configmaps/here/"+name] = delivered
}

// ship is one edge of a fleet, with an etcd of its own.
type ship struct {
	name, store string
	etcd        *testbed.Etcd
	cfg         *config.Importer
	key         string
}

// launch pairs an edge and joins it.
func (s *site) launch(name, store string) *ship {
	s.t.Helper()
	h := &ship{name: name, store: store, etcd: testbed.NewEtcd(s.t, testbed.EtcdConfig{Fast: true})}
	dir := filepath.Join(s.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	h.key = filepath.Join(dir, "edge.nk")
	token, _, err := s.hub.Pairs().Create(s.t.Context(), h.offer())
	if err != nil {
		s.t.Fatal(err)
	}
	grant, err := pairing.Join(s.t.Context(), pairing.JoinOptions{URL: s.hub.URL(), Token: token.Reveal(), KeyFile: h.key, Logger: s.logger})
	if err != nil {
		s.t.Fatal(err)
	}
	path := s.write(name+".yaml", fmt.Sprintf(`apiVersion: syncer/v1alpha1
kind: Importer
name: %s
source: %s
channel: %s
hub: {url: %q, credentials: %q}
target: {etcd: {endpoints: [%q]}}
dataDir: %s
`, grant.Name, grant.Source, grant.Channel, s.via(nil), h.key, h.etcd.Endpoint(), name))
	if h.cfg, err = config.LoadImporter(path); err != nil {
		s.t.Fatal(err)
	}
	return h
}

func (h *ship) offer() pairing.Offer {
	return pairing.Offer{Name: h.name, Source: "cloud", Policy: "flags", Labels: map[string]string{"store": h.store}}
}

// sail runs the importer of the edge.
func (s *site) sail(h *ship) {
	quiet := slog.New(slog.NewTextHandler(s.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})).With("edge", h.name)
	s.daemon(h.name, func(ctx context.Context) error { return replicator.Import(ctx, h.cfg, quiet) })
}

// holdsItsSlice waits until the edge holds what its store has, and nothing else
// but syncer's own keys.
func (s *site) holdsItsSlice(h *ship) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*patience)
	defer cancel()
	watch := h.etcd.Client().Watch(ctx, "", clientv3.WithPrefix())
	for {
		want := s.shelves[h.store]
		have := s.content(h.etcd.Client(), "")
		maps.DeleteFunc(have, func(k, _ string) bool { return strings.HasPrefix(k, "/syncer/") })
		if same(want, have) {
			return
		}
		select {
		case <-watch:
		case <-ctx.Done():
			s.t.Fatalf("%s of store %s holds %d keys, want %d", h.name, h.store, len(have), len(want))
		}
	}
}

func (s *site) stock(store string, keys int) {
	s.t.Helper()
	for i := range keys {
		s.sells(store, fmt.Sprintf("article-%03d", i), fmt.Sprint(store, " ", i))
	}
}

// Thirty edges whose filled-in policies are equal share a channel, and twenty
// have one each. Every edge holds its slice and cannot read another's.
func TestFleetOfSlices(t *testing.T) {
	t.Parallel()
	const sharing, alone = 30, 20
	s := newSite(t, withPolicy(perEdge))
	s.stock("common", 40)
	s.stock("nobodys", 10)
	var fleet []*ship
	for i := range sharing {
		fleet = append(fleet, s.launch(fmt.Sprintf("shared-%02d", i), "common"))
	}
	for i := range alone {
		store := fmt.Sprintf("own-%02d", i)
		s.stock(store, 10+i)
		fleet = append(fleet, s.launch("alone-"+store, store))
	}
	s.startExporter()
	for _, h := range fleet {
		s.sail(h)
	}
	for _, h := range fleet {
		s.holdsItsSlice(h)
	}
	x := s.exporterReport("runs a channel for each slice", func(e status.Exporter) bool { return len(e.Channels) == alone+1 })
	shared := s.channelOf(x, fleet[0])
	if shared.Edges != sharing || shared.Keys != 40 || shared.PolicyName != "flags" {
		t.Errorf("the shared channel is %+v", shared)
	}
	for _, h := range fleet {
		s.sells(h.store, "new", "from "+h.name)
	}
	for _, h := range fleet {
		s.holdsItsSlice(h)
	}
	s.readsNothingOf(fleet[sharing], fleet[sharing+1])
	s.readsNothingOf(fleet[sharing], fleet[0])
	s.readsNothingOf(fleet[0], fleet[sharing])
	s.areFedTheirOwnOnly(x, fleet)
	s.whoHasNoLabel(x)
	s.changesStore(fleet[0], fleet[sharing])
}

// channelOf is the channel that feeds an edge, by the edge's own word.
func (s *site) channelOf(x status.Exporter, h *ship) status.Channel {
	s.t.Helper()
	var of string
	s.report(h.name+" names its channel", func(e status.Edge) bool {
		of = e.Channel
		return e.Name == h.name && e.Channel != "" && e.Policy == "flags"
	})
	for _, c := range x.Channels {
		if c.Name == of {
			return c
		}
	}
	s.t.Fatalf("%s is fed by %s, which the exporter does not know", h.name, of)
	return status.Channel{}
}

// areFedTheirOwnOnly demands that the hub gives each edge the channel of its
// store and what is for it alone, and that no other store has that channel.
func (s *site) areFedTheirOwnOnly(x status.Exporter, fleet []*ship) {
	s.t.Helper()
	feeds := map[string]string{} // channels, by the word of their edges
	edges, _ := s.reports.since(0)
	for _, e := range edges {
		feeds[e.Name] = e.Channel
	}
	stores := map[string]string{} // by channel
	for _, h := range fleet {
		channel := feeds[h.name]
		if of, taken := stores[channel]; taken && of != h.store {
			s.t.Errorf("the stores %s and %s have one channel, %s", of, h.store, channel)
		}
		stores[channel] = h.store
		consumer, err := s.stream().Consumer(s.t.Context(), h.name)
		if err != nil {
			s.t.Fatal(err)
		}
		got := slices.Sorted(slices.Values(consumer.CachedInfo().Config.FilterSubjects))
		want := []string{jetstream.EdgeSubject("cloud", h.name), jetstream.LogSubject("cloud", channel), jetstream.OrderSubject("cloud", h.name)}
		if !slices.Equal(got, want) {
			s.t.Errorf("the consumer of %s takes %v, want %v", h.name, got, want)
		}
	}
	if len(stores) != len(x.Channels) {
		s.t.Errorf("%d stores have %d channels", len(stores), len(x.Channels))
	}
}

// readsNothingOf tries what an edge could try with its credentials to read the
// slice of another.
func (s *site) readsNothingOf(h, other *ship) {
	s.t.Helper()
	x, _, _ := s.reports.newestExporter()
	channel := s.channelOf(x, other).Name
	var refused conn.Violations
	nc, err := conn.Connect(s.t.Context(), conn.Options{
		URLs: []string{s.via(nil)}, CredentialsFile: h.key, Name: h.name, InboxPrefix: jetstream.InboxPrefix(h.name),
		JitterMax: time.Millisecond, Logger: s.logger, Violations: &refused,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer nc.Close()
	ask := func(subject, body string) {
		s.t.Helper()
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		if m, err := refused.Request(ctx, nc, subject, []byte(body)); err == nil {
			s.t.Errorf("%s got %d bytes from %s", h.name, len(m.Data), subject)
		}
	}
	stream := jetstream.Stream("cloud")
	ask("$JS.API.CONSUMER.MSG.NEXT."+stream+"."+other.name, "1")
	ask("$JS.API.STREAM.MSG.GET."+stream, fmt.Sprintf(`{"last_by_subj":%q}`, jetstream.LogSubject("cloud", channel)))
	ask("$JS.API.DIRECT.GET."+stream+"."+jetstream.LogSubject("cloud", channel), "")
	ask("$JS.API.CONSUMER.CREATE."+stream+".mine."+jetstream.LogSubject("cloud", channel), "{}")
	ask("$JS.API.CONSUMER.DURABLE.CREATE."+stream+"."+h.name, fmt.Sprintf(`{"stream_name":%q,"config":{"durable_name":%q,"ack_policy":"all"}}`, stream, h.name))
	sub, err := nc.SubscribeSync(jetstream.LogSubject("cloud", channel))
	if err == nil {
		s.sells(other.store, "secret", "not for others")
		s.holdsItsSlice(other)
		if m, err := sub.NextMsg(time.Second); !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, nats.ErrPermissionViolation) {
			s.t.Errorf("%s hears %v of %s: %v", h.name, m, channel, err)
		}
	}
}

// whoHasNoLabel looks at the edge of the site, for which the policy cannot be
// filled in.
func (s *site) whoHasNoLabel(x status.Exporter) {
	s.t.Helper()
	if len(x.Refusals) != 1 || x.Refusals[0].Edge != "store-1" || !strings.Contains(x.Refusals[0].Reason, `"store"`) {
		s.t.Errorf("the refusals are %+v", x.Refusals)
	}
	s.startImporter()
	e := s.report("store-1 is refused", func(e status.Edge) bool { return e.Name == "store-1" && e.State == status.Halted })
	for _, part := range []string{"store-1", `"store"`} {
		if !strings.Contains(e.Reason, part) {
			s.t.Errorf("the reason of store-1 lacks %s: %s", part, e.Reason)
		}
	}
}

// changesStore gives an edge the store of another. It keeps its key, and gets
// the difference.
func (s *site) changesStore(h, other *ship) {
	s.t.Helper()
	h.store = other.store
	offer := h.offer()
	offer.Replace = true
	if _, err := s.hub.Pairs().Enroll(s.t.Context(), offer, s.publicKey(h.key)); err != nil {
		s.t.Fatal(err)
	}
	s.holdsItsSlice(h)
	s.sells(h.store, "later", "for both")
	s.holdsItsSlice(h)
	s.holdsItsSlice(other)
}

// What channels left that nobody is paired with any more is removed when an
// exporter begins its work.
func TestFilesOfOldChannelsGo(t *testing.T) {
	t.Parallel()
	s := newSite(t, withPolicy(perEdge))
	for _, name := range []string{"stays", "goes"} {
		s.stock(name, 3)
		s.launch(name, name)
	}
	stop := s.startExporter()
	s.exporterReport("runs both channels", func(e status.Exporter) bool { return len(e.Channels) == 2 && e.Channels[1].Keys == 3 })
	if files := s.channelFiles(); len(files) != 4 {
		t.Errorf("the files are %v", files)
	}
	if _, err := s.hub.Pairs().Remove(t.Context(), "goes"); err != nil {
		t.Fatal(err)
	}
	x := s.exporterReport("runs one", func(e status.Exporter) bool { return len(e.Channels) == 1 })
	stop()
	s.startExporter()
	s.until("the files are gone", func() bool { return len(s.channelFiles()) == 2 })
	for _, file := range s.channelFiles() {
		if !strings.Contains(file, x.Channels[0].Name) {
			t.Errorf("%s is left", file)
		}
	}
}

// channelFiles are the indexes and spools of the exporter.
func (s *site) channelFiles() []string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.cloud.DataDir, "*-flags*.db"))
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

// An edge is given another channel while no exporter runs, and its old one goes
// on for others: its consumer at the hub knows nothing of it.
func TestEdgeChangesChannelWhileTheExporterIsAway(t *testing.T) {
	t.Parallel()
	s := newSite(t, withPolicy(perEdge))
	s.stock("old", 20)
	s.stock("new", 12)
	moves, stays := s.launch("moves", "old"), s.launch("stays", "old")
	stop := s.startExporter()
	s.sail(moves)
	s.sail(stays)
	s.holdsItsSlice(moves)
	s.holdsItsSlice(stays)
	stop()
	moves.store = "new"
	offer := moves.offer()
	offer.Replace = true
	if _, err := s.hub.Pairs().Enroll(t.Context(), offer, s.publicKey(moves.key)); err != nil {
		t.Fatal(err)
	}
	s.startExporter()
	s.sells("old", "later", "not for the one that moved")
	s.holdsItsSlice(stays)
	s.holdsItsSlice(moves)
}
