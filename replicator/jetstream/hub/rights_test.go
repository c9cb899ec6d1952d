package hub_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/fault"
	syncstream "github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/jetstream/hub"
	"github.com/syncer-io/syncer/replicator/pairing"
)

func TestEdgeReadsAcknowledgesAsksAndReports(t *testing.T) {
	h := start(t, hub.Options{})
	nc := admin(t, h)
	log(t, nc, "store-1")
	publish(t, nc, 5)
	edge := connectEdge(t, h, "store-1", pair(t, h, "store-1"))
	ctx := testContext(t)

	consumer, err := edge.js.Consumer(ctx, "SYNC_cloud", "store-1")
	if err != nil {
		t.Fatalf("CONSUMER.INFO: %v", err)
	}
	batch, err := consumer.Fetch(5)
	if err != nil {
		t.Fatalf("MSG.NEXT: %v", err)
	}
	var last jetstream.Msg
	for m := range batch.Messages() {
		last = m
	}
	if err := last.DoubleAck(ctx); err != nil {
		t.Fatalf("ACK: %v", err)
	}
	info, err := consumer.Info(ctx)
	if err != nil || info.AckFloor.Stream != 5 {
		t.Errorf("acknowledged up to %d, %v", info.AckFloor.Stream, err)
	}

	if _, err := edge.RequestWithContext(ctx, "syncer.rpc.cloud.store-1", nil); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("an rpc without an exporter: %v", err)
	}
	answer, err := nc.Subscribe("syncer.rpc.cloud.*", func(m *nats.Msg) {
		if !pairing.ReplyAllowed(syncstream.InboxPrefix("store-1"), m.Reply) {
			t.Errorf("reply %q is not the edge's", m.Reply)
		}
		_ = m.Respond(append([]byte(m.Subject+" "), m.Data...))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Unsubscribe() }()
	reports, err := nc.SubscribeSync("syncer.status.cloud.*")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	m, err := edge.RequestWithContext(ctx, "syncer.rpc.cloud.store-1", []byte("attach"))
	if err != nil || string(m.Data) != "syncer.rpc.cloud.store-1 attach" {
		t.Errorf("rpc: %v, %v", m, err)
	}
	if err := edge.Publish("syncer.status.cloud.store-1", []byte("fine")); err != nil {
		t.Fatal(err)
	}
	report, err := reports.NextMsgWithContext(ctx)
	if err != nil || string(report.Data) != "fine" || report.Subject != "syncer.status.cloud.store-1" {
		t.Errorf("status: %v, %v", report, err)
	}
}

// A stream on the status subjects must acknowledge across the account border.
func TestEdgeReportsIntoAStream(t *testing.T) {
	h := start(t, hub.Options{})
	nc := admin(t, h)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx := testContext(t)
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "STATUS_cloud", Subjects: []string{"syncer.status.cloud.*"}, MaxMsgsPerSubject: 1,
	}); err != nil {
		t.Fatal(err)
	}
	edge := connectEdge(t, h, "store-1", pair(t, h, "store-1"))
	ack, err := edge.js.Publish(ctx, "syncer.status.cloud.store-1", []byte("fine"))
	if err != nil || ack.Stream != "STATUS_cloud" || ack.Sequence != 1 {
		t.Errorf("got %+v, %v", ack, err)
	}
}

// Continuous pulls, as the importer makes them, go on past their own expiry
// and heartbeats and lose nothing. A machine that stands still for a second
// may miss a heartbeat: the client then pulls anew, which must lose nothing
// either.
func TestEdgeConsumesContinuously(t *testing.T) {
	h := start(t, hub.Options{})
	nc := admin(t, h)
	log(t, nc, "store-1")
	edge := connectEdge(t, h, "store-1", pair(t, h, "store-1"))
	ctx := testContext(t)
	consumer, err := edge.js.Consumer(ctx, "SYNC_cloud", "store-1")
	if err != nil {
		t.Fatal(err)
	}
	messages, err := consumer.Messages(
		jetstream.PullMaxMessages(16),
		jetstream.PullExpiry(time.Second),
		jetstream.PullHeartbeat(500*time.Millisecond),
		jetstream.WithMessagesErrOnMissingHeartbeat(false))
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	received := uint64(0)
	for range 3 {
		publish(t, nc, 100)
		for range 100 {
			m, err := messages.Next(jetstream.NextContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			meta, err := m.Metadata()
			if received++; err != nil || meta.Sequence.Stream != received {
				t.Fatalf("message %d is %+v, %v", received, meta, err)
			}
			if err := m.Ack(); err != nil {
				t.Fatal(err)
			}
		}
		// Idle for longer than a pull: the next round arrives on another
		// pull than the last.
		if _, err := messages.Next(jetstream.NextMaxWait(1200 * time.Millisecond)); !errors.Is(err, nats.ErrTimeout) {
			t.Fatalf("while idle: %v", err)
		}
	}
}

func TestEdgeIsRefusedEverythingElse(t *testing.T) {
	h := start(t, hub.Options{})
	nc := admin(t, h)
	stream := log(t, nc, "store-1", "store-2")
	publish(t, nc, 3)
	edge := connectEdge(t, h, "store-1", pair(t, h, "store-1"))
	_ = pair(t, h, "store-2")

	for _, subject := range []string{
		"$JS.API.INFO",
		"$JS.API.STREAM.INFO.SYNC_cloud",
		"$JS.API.STREAM.NAMES",
		"$JS.API.STREAM.CREATE.SYNC_other",
		"$JS.API.STREAM.DELETE.SYNC_cloud",
		"$JS.API.STREAM.PURGE.SYNC_cloud",
		"$JS.API.STREAM.MSG.GET.SYNC_cloud",
		"$JS.API.DIRECT.GET.SYNC_cloud",
		"$JS.API.DIRECT.GET.KV_PAIRS.$KV.PAIRS.store-1",
		"$JS.API.CONSUMER.CREATE.SYNC_cloud",
		"$JS.API.CONSUMER.CREATE.SYNC_cloud.store-1",
		"$JS.API.CONSUMER.CREATE.SYNC_cloud.mine.syncer.log.cloud.flags",
		"$JS.API.CONSUMER.DURABLE.CREATE.SYNC_cloud.store-1",
		"$JS.API.CONSUMER.DELETE.SYNC_cloud.store-1",
		"$JS.API.CONSUMER.RESET.SYNC_cloud.store-1",
		"$JS.API.CONSUMER.LIST.SYNC_cloud",
		"$JS.API.CONSUMER.INFO.SYNC_cloud.store-2",
		"$JS.API.CONSUMER.MSG.NEXT.SYNC_cloud.store-2",
		"$JS.ACK.SYNC_cloud.store-2.1.1.1.1.0",
		"$KV.PAIRS.store-1",
		"syncer.log.cloud.flags",
		"syncer.edge.cloud.store-1",
		"syncer.rpc.cloud.store-2",
		"syncer.rpc.other.store-1",
		"syncer.command.cloud",
		"syncer.policy.cloud",
		"$KV.syncer-policies-cloud.policies",
		"$JS.API.DIRECT.GET.KV_syncer-policies-cloud.$KV.syncer-policies-cloud.policies",
		"syncer.status.cloud.store-2",
		"syncer.status.cloud._exporter",
		"syncer.join.aaaaaaaa",
		"syncer.hub.applied",
		"$SYS.REQ.SERVER.PING",
	} {
		_, err := edge.violations.Request(testContext(t), edge.Conn, subject, nil)
		if !refusedTo(err, subject, "publish") {
			t.Errorf("publish %s: %v", subject, err)
		}
	}
	for _, subject := range []string{
		">", "syncer.>", "syncer.command.cloud", "syncer.policy.cloud", "$KV.syncer-policies-cloud.>", "syncer.log.cloud.flags", "syncer.edge.cloud.store-1", "syncer.rpc.cloud.store-1",
		"_INBOX.>", "_INBOX_store-2.>", "_INBOX_hub.>", "$JS.>", "$KV.PAIRS.>", "$SYS.>",
	} {
		watched, done := edge.violations.Watch(testContext(t), subject)
		sub, err := edge.SubscribeSync(subject)
		if err != nil {
			t.Fatal(err)
		}
		<-watched.Done()
		if err := conn.Explain(watched, watched.Err()); !refusedTo(err, subject, "subscribe") {
			t.Errorf("subscribe %s: %v", subject, err)
		}
		done()
		_ = sub.Unsubscribe()
	}

	info, err := stream.Info(testContext(t))
	if err != nil || info.State.Msgs != 3 || info.State.Consumers != 2 {
		t.Errorf("the stream changed: %+v, %v", info.State, err)
	}
}

func refusedTo(err error, subject, action string) bool {
	var r *conn.Refusal
	return errors.As(err, &r) && r.Subject == subject && r.Action == action && r.User == "store-1" &&
		fault.ExitCode(err) == int(fault.Refused) && fault.Try(err) != "" &&
		strings.Contains(err.Error(), "hub refused "+subject)
}

// NATS does not check where a client asks for its answer. A pull that asks for
// it on an administrative subject must not make the server administrate.
func TestEdgeCannotUseTheServerAsItsHand(t *testing.T) {
	h := start(t, hub.Options{})
	nc := admin(t, h)
	stream := log(t, nc, "store-1", "store-2")
	publish(t, nc, 3)
	edge := connectEdge(t, h, "store-1", pair(t, h, "store-1"))
	before, err := stream.Info(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	leak, err := nc.SubscribeSync("syncer.rpc.>")
	if err != nil {
		t.Fatal(err)
	}
	orders, err := nc.SubscribeSync("syncer.command.>")
	if err != nil {
		t.Fatal(err)
	}

	consumer, err := edge.js.Consumer(testContext(t), "SYNC_cloud", "store-1")
	if err != nil {
		t.Fatal(err)
	}
	for _, reply := range []string{
		"$JS.API.STREAM.DELETE.SYNC_cloud",
		"$JS.API.STREAM.PURGE.SYNC_cloud",
		"$JS.API.STREAM.DELETE.KV_PAIRS",
		"$JS.API.CONSUMER.DELETE.SYNC_cloud.store-2",
		"syncer.log.cloud.flags",
		"syncer.edge.cloud.store-2",
		"syncer.rpc.cloud.store-2",
		"syncer.command.cloud",
		"syncer.policy.cloud",
		"$KV.syncer-policies-cloud.policies",
		"$JS.API.DIRECT.GET.KV_syncer-policies-cloud.$KV.syncer-policies-cloud.policies",
		"_INBOX_store-2.x.1",
		"$KV.PAIRS.store-2",
	} {
		for _, body := range []string{`{"batch":1,"no_wait":true}`, `{"batch":1,"max_bytes":1}`, `{`} {
			m := nats.NewMsg("$JS.API.CONSUMER.MSG.NEXT.SYNC_cloud.store-1")
			m.Reply, m.Data = reply, []byte(body)
			if err := edge.PublishMsg(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The consumer answers in order: its answer to a later request says that
	// the earlier ones were handled.
	batch, err := consumer.FetchNoWait(1)
	if err != nil {
		t.Fatal(err)
	}
	for m := range batch.Messages() {
		_ = m.Nak()
	}

	after, err := stream.Info(testContext(t))
	if err != nil {
		t.Fatalf("the stream is gone: %v", err)
	}
	if after.State.LastSeq != before.State.LastSeq || after.State.Msgs != before.State.Msgs || after.State.Consumers != 2 {
		t.Errorf("the stream changed: %+v", after.State)
	}
	if _, err := h.Pairs().Get(testContext(t), "store-1"); err != nil {
		t.Errorf("the registry changed: %v", err)
	}
	if n, _, err := leak.Pending(); err != nil || n != 0 {
		t.Errorf("%d requests in another edge's name, %v", n, err)
	}
	if n, _, err := orders.Pending(); err != nil || n != 0 {
		t.Errorf("%d commands in the operator's name, %v", n, err)
	}
}

// A token may ask to join, nothing else, whatever its state.
func TestTokenMayOnlyJoin(t *testing.T) {
	h := start(t, hub.Options{})
	token, _, err := h.Pairs().Create(testContext(t), pairing.Offer{Name: "store-1", Source: "cloud", Policy: "flags"})
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := h.Pairs().Create(testContext(t), pairing.Offer{Name: "store-2", Source: "cloud", Policy: "flags"})
	if err != nil {
		t.Fatal(err)
	}
	seed, err := token.Seed()
	if err != nil {
		t.Fatal(err)
	}
	var v conn.Violations
	nc, err := conn.Connect(testContext(t), conn.Options{
		URLs: []string{h.URL()}, Seed: seed, Name: "store-1",
		InboxPrefix: pairing.JoinInbox(token.ID()), Violations: &v,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, subject := range []string{
		pairing.JoinSubject(other.ID()), "$JS.API.INFO", "$JS.API.CONSUMER.MSG.NEXT.SYNC_cloud.store-1",
		"syncer.rpc.cloud.store-1", "syncer.command.cloud", "syncer.status.cloud.store-1", "$KV.PAIRS.store-1", "syncer.hub.applied",
	} {
		if _, err := v.Request(testContext(t), nc, subject, nil); !refusedTo(err, subject, "publish") {
			t.Errorf("publish %s: %v", subject, err)
		}
	}
}
