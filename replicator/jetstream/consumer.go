package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The bounds of what an edge has asked for and not yet got. The byte limit is
// more than two of the largest messages: below the size of the next message
// JetStream delivers nothing and says nothing. It is small enough that pings
// get through between messages on a slow link.
const (
	pullMessages  = 256
	pullBytes     = 5 << 18
	pullExpiry    = 30 * time.Second
	pullHeartbeat = 5 * time.Second
)

// ErrFeedEnded tells that a feed gives no more messages: its consumer is gone,
// or the hub is silent. The edge attaches again.
var ErrFeedEnded = errors.New("the hub stopped delivering")

// Feed is what an edge reads: the messages of its own durable consumer, which
// the exporter makes. One goroutine uses it.
type Feed struct {
	messages chan jetstream.Msg
	failed   chan error
	consume  jetstream.ConsumeContext
	stop     chan struct{}
	count    uint64 // how many messages the hub had handed out with the last one
	lost     error  // what Next returns after what came before a message that was lost
}

// OpenFeed starts to read the edge's consumer of a source, from which nothing was
// read since the exporter made it.
func OpenFeed(ctx context.Context, nc *nats.Conn, source, edge string) (*Feed, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	consumer, err := js.Consumer(ctx, Stream(source), edge)
	if err != nil {
		return nil, fmt.Errorf("%w: open consumer %s of stream %s: %w", ErrFeedEnded, edge, Stream(source), err)
	}
	f := &Feed{
		messages: make(chan jetstream.Msg, pullMessages),
		failed:   make(chan error, 1),
		stop:     make(chan struct{}),
	}
	f.consume, err = consumer.Consume(f.receive,
		jetstream.PullMaxMessagesWithBytesLimit(pullMessages, pullBytes),
		jetstream.PullExpiry(pullExpiry),
		jetstream.PullHeartbeat(pullHeartbeat),
		jetstream.ConsumeErrHandler(f.fail))
	if err != nil {
		return nil, fmt.Errorf("%w: pull from consumer %s: %w", ErrFeedEnded, edge, err)
	}
	return f, nil
}

// receive runs on the client's delivery goroutine; it never blocks for long,
// because what is outstanding fits the channel, and it gives way to Close.
func (f *Feed) receive(m jetstream.Msg) {
	select {
	case f.messages <- m:
	case <-f.stop:
	}
}

func (f *Feed) fail(_ jetstream.ConsumeContext, err error) {
	select {
	case f.failed <- err:
	default: // the first reason is the one that is reported
	}
}

// Next waits for a message and takes along those that are already here, up to
// about size bytes, in the order of the stream. It fails with ErrFeedEnded
// when the hub or the consumer is gone, when nothing came for silence, or when a
// message was lost between the hub and here.
func (f *Feed) Next(ctx context.Context, silence time.Duration, size int) ([]Delivery, error) {
	if f.lost != nil {
		return nil, f.lost
	}
	timer := time.NewTimer(silence)
	defer timer.Stop()
	var out []Delivery
	select {
	case m := <-f.messages:
		d, err := f.deliver(m)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	case err := <-f.failed:
		return nil, fmt.Errorf("%w: %w", ErrFeedEnded, err)
	case <-timer.C:
		return nil, fmt.Errorf("%w: nothing for %v", ErrFeedEnded, silence)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for n := len(out[0].Data); n < size; {
		select {
		case m := <-f.messages:
			d, err := f.deliver(m)
			if err != nil {
				return out, nil // the next call says so
			}
			out = append(out, d)
			n += len(m.Data())
		default:
			return out, nil
		}
	}
	return out, nil
}

// Delivery is one message that an edge received.
type Delivery struct {
	Message
	msg jetstream.Msg
}

// deliver takes the next message that the hub handed out. The hub counts a message
// as delivered when it has handed it to a connection, or even to a pull of the
// connection before: without a look at its count, one that a link lost is lost.
func (f *Feed) deliver(m jetstream.Msg) (Delivery, error) {
	meta, err := m.Metadata()
	switch {
	case err != nil:
		f.lost = fmt.Errorf("%w: a message on %s does not say where it stands: %w", ErrFeedEnded, m.Subject(), err)
	case meta.Sequence.Consumer != f.count+1:
		f.lost = fmt.Errorf("%w: of what it handed out, number %d came after %d: what is between was lost on the way", ErrFeedEnded, meta.Sequence.Consumer, f.count)
	}
	if f.lost != nil {
		return Delivery{}, f.lost
	}
	f.count++
	return Delivery{Message{Subject: m.Subject(), Data: m.Data(), Seq: meta.Sequence.Stream, Time: meta.Timestamp}, m}, nil
}

// Ack tells the hub that this message, and all before it, need not be
// delivered again. Nothing depends on its arrival.
func (d Delivery) Ack() error {
	if err := d.msg.Ack(); err != nil {
		return fmt.Errorf("acknowledge message %d: %w", d.Seq, err)
	}
	return nil
}

// Close stops the feed and waits until no more messages come from the client.
func (f *Feed) Close() {
	close(f.stop)
	f.consume.Stop()
	<-f.consume.Closed()
}
