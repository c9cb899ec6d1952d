package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/failpoint"
)

// ErrChainBroken tells that a publish did not follow the message that the
// publisher believes to be the last one, or that its outcome is unknown: an
// acknowledgement was lost, or somebody else wrote. The publisher is of no
// more use. Its owner reads the tail and starts again from there.
var ErrChainBroken = errors.New("the stream does not end where this exporter left it")

// Mismatch is the hub's refusal of a message because the stream does not end
// where the message says.
type Mismatch struct {
	Expected uint64 // where the message says that the stream ends
	Ends     uint64 // where the hub says that it ends
	cause    error
}

func (m *Mismatch) Error() string {
	return fmt.Sprintf("expected the stream to end at %d, it ends at %d: %s", m.Expected, m.Ends, m.cause.Error())
}

func (m *Mismatch) Unwrap() error { return m.cause }

// mismatch finds the sequence in the hub's words; there is no other place for
// it. A refusal for another reason stays as it is.
func mismatch(expected uint64, cause error) error {
	var api *jetstream.APIError
	if !errors.As(cause, &api) || api.ErrorCode != jetstream.JSErrCodeStreamWrongLastSequence {
		return cause
	}
	_, text, _ := strings.Cut(api.Description, ": ")
	ends, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return cause
	}
	return &Mismatch{Expected: expected, Ends: ends, cause: cause}
}

// window bounds what is published and not yet acknowledged.
const (
	windowMessages = 64
	windowBytes    = 4 << 20
)

// Publisher appends to the log stream. Every message names the sequence before
// it, so that messages are stored in order and without a hole or not at all,
// also across the loss of the stream's leader, and so that two publishers
// never interleave.
//
// Several goroutines may use a Publisher at the same time.
type Publisher struct {
	log *Log

	mu     sync.Mutex
	last   uint64 // sequence of the newest message sent
	count  int
	bytes  int
	err    error
	change chan struct{} // closed and replaced under mu when the window moves

	acks chan pending // sent under mu by Publish, closed by Close
	done chan struct{}
}

type pending struct {
	seq    uint64
	size   int
	future jetstream.PubAckFuture
	stored func(seq uint64)
}

// NewPublisher is a publisher that appends after sequence last.
func (l *Log) NewPublisher(last uint64) *Publisher {
	p := &Publisher{
		log:    l,
		last:   last,
		change: make(chan struct{}),
		acks:   make(chan pending, windowMessages),
		done:   make(chan struct{}),
	}
	go p.collect()
	return p
}

// Publish sends one message and returns when there is room in the window, not
// when the message is stored. stored, which may be nil, is called with the
// sequence once the hub has stored it; calls come in the order of publishing.
// The publisher keeps data until then.
func (p *Publisher) Publish(ctx context.Context, subject string, data []byte, stored func(seq uint64)) error {
	for {
		p.mu.Lock()
		if p.err != nil {
			defer p.mu.Unlock()
			return p.err
		}
		if p.count < windowMessages && (p.count == 0 || p.bytes+len(data) <= windowBytes) {
			defer p.mu.Unlock()
			return p.send(subject, data, stored)
		}
		change := p.change
		p.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *Publisher) send(subject string, data []byte, stored func(uint64)) error {
	failpoint.Hit(failpoint.PublishBefore)
	future, err := p.log.js.PublishMsgAsync(&nats.Msg{Subject: subject, Data: data},
		jetstream.WithExpectLastSequence(p.last),
		jetstream.WithExpectStream(Stream(p.log.source)),
		jetstream.WithRetryAttempts(0))
	if err != nil {
		p.err = fmt.Errorf("publish on %s: %w", subject, err)
		return p.err
	}
	failpoint.Hit(failpoint.PublishAfter)
	p.last++
	p.count++
	p.bytes += len(data)
	p.acks <- pending{seq: p.last, size: len(data), future: future, stored: stored}
	return nil
}

// Sent is the sequence of the newest message that was sent.
func (p *Publisher) Sent() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// Idle reports whether a message sent now would not wait behind others.
func (p *Publisher) Idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count < 2
}

// Moved gives a channel that is closed when a message is next acknowledged or
// the publisher fails.
func (p *Publisher) Moved() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.change
}

// Flush returns when everything published before is stored.
func (p *Publisher) Flush(ctx context.Context) error {
	p.mu.Lock()
	sent := p.last
	p.mu.Unlock()
	for {
		p.mu.Lock()
		err, stored, change := p.err, p.last-uint64(p.count), p.change
		p.mu.Unlock()
		if err != nil || stored >= sent {
			return err
		}
		select {
		case <-change:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Close refuses further messages, waits for the outcome of those that were
// sent, and returns why the publisher failed, if it did.
func (p *Publisher) Close() error {
	p.mu.Lock()
	failed := p.err
	if p.err == nil {
		p.err = errors.New("the publisher is closed")
	}
	p.mu.Unlock()
	close(p.acks)
	<-p.done
	if failed != nil {
		return failed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(p.err, ErrChainBroken) {
		return p.err
	}
	return nil
}

// collect waits for the outcome of each message in turn. After the first
// failure nothing that follows can have been stored in its place.
func (p *Publisher) collect() {
	defer close(p.done)
	for m := range p.acks {
		var err error
		select {
		case ack := <-m.future.Ok():
			if ack.Sequence != m.seq {
				err = fmt.Errorf("%w: message stored at %d, expected %d", ErrChainBroken, ack.Sequence, m.seq)
			}
		case cause := <-m.future.Err():
			err = fmt.Errorf("%w: %w", ErrChainBroken, mismatch(m.seq-1, cause))
		}
		failpoint.Hit(failpoint.AckBefore)
		if err == nil && m.stored != nil {
			m.stored(m.seq)
		}
		p.settle(m, err)
		failpoint.Hit(failpoint.AckAfter)
	}
}

func (p *Publisher) settle(m pending, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count--
	p.bytes -= m.size
	if err != nil && (p.err == nil || !errors.Is(p.err, ErrChainBroken)) {
		p.err = err
	}
	close(p.change)
	p.change = make(chan struct{})
}
