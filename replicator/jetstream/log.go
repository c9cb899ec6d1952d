package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/fault"
)

// MaxMessage is the largest message that is put on the stream. It leaves room
// for headers below the hub's default max_payload of 1 MiB.
const MaxMessage = 512 << 10

// maxConsumers lifts JetStream's default of 1,000 consumers per stream.
const maxConsumers = 20_000

// maxReport bounds one report: an exporter tells of each of its channels.
const maxReport = 768 << 10

// LogConfig is the log stream of one source.
type LogConfig struct {
	Source   string
	MaxBytes int64         // oldest messages go first
	MaxAge   time.Duration // how long an edge may be away before it compares
	Replicas int           // 1, 3 or 5
}

// Log is the log stream of one source as its exporter sees it. Several
// goroutines may use it at the same time.
type Log struct {
	source string
	nc     *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	status jetstream.StreamConfig
}

// Message is one message of the stream.
type Message struct {
	Seq     uint64
	Subject string
	Data    []byte
	Time    time.Time
}

// OpenLog makes the log stream and the status stream of a source, or brings
// them to the configuration.
func OpenLog(ctx context.Context, nc *nats.Conn, cfg LogConfig) (*Log, error) {
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4096), jetstream.WithPublishAsyncTimeout(10*time.Second))
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	l := &Log{source: cfg.Source, nc: nc, js: js}
	return l, l.ensure(ctx, cfg)
}

func (l *Log) ensure(ctx context.Context, cfg LogConfig) error {
	log := jetstream.StreamConfig{
		Name:           Stream(cfg.Source),
		Description:    "syncer: the changes of source " + cfg.Source,
		Subjects:       []string{LogSubject(cfg.Source, "*"), EdgeSubject(cfg.Source, "*"), OrderSubject(cfg.Source, "*")},
		Retention:      jetstream.LimitsPolicy,
		Discard:        jetstream.DiscardOld,
		Storage:        jetstream.FileStorage,
		Replicas:       cfg.Replicas,
		MaxAge:         cfg.MaxAge,
		MaxBytes:       cfg.MaxBytes,
		MaxMsgSize:     MaxMessage + 64<<10,
		MaxConsumers:   maxConsumers,
		DenyDelete:     true,
		ConsumerLimits: jetstream.StreamConsumerLimits{MaxAckPending: 4096},
		Metadata:       map[string]string{"syncer.format": "1"},
	}
	stream, err := l.js.CreateOrUpdateStream(ctx, log)
	if err != nil {
		return explainStream(log.Name, err)
	}
	l.stream = stream
	l.status = jetstream.StreamConfig{
		Name:              StatusStream(cfg.Source),
		Description:       "syncer: newest status of source " + cfg.Source + " and its edges",
		Subjects:          []string{StatusSubject(cfg.Source, "*")},
		MaxMsgsPerSubject: 1,
		MaxMsgSize:        maxReport,
		MaxAge:            30 * 24 * time.Hour,
		Storage:           jetstream.FileStorage,
		Replicas:          cfg.Replicas,
		AllowDirect:       false,
	}
	return l.ensureStatus(ctx)
}

func (l *Log) ensureStatus(ctx context.Context) error {
	if _, err := l.js.CreateOrUpdateStream(ctx, l.status); err != nil {
		return explainStream(l.status.Name, err)
	}
	return nil
}

// notAvailable is JetStream's code for a cluster in which nobody leads.
const notAvailable = 10008

func explainStream(name string, err error) error {
	try := "check the hub's JetStream limits (max_file_store, account limits) and its log"
	class := fault.General
	var api *jetstream.APIError
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrNoResponders):
		class, try = fault.Unreachable, "check that JetStream is enabled on the hub, that most of its servers run, and that these credentials may manage streams"
	case errors.As(err, &api) && api.ErrorCode == notAvailable:
		class, try = fault.Unreachable, "wait while the hub elects a leader; if it stays, see that most of its servers run"
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		class, try = fault.Usage, "enable JetStream on the hub: a jetstream block in nats-server's configuration, or `syncer hub`"
	}
	return fault.New(class, try, "make stream %s: %w", name, err)
}

// Conn is the connection below the log.
func (l *Log) Conn() *nats.Conn { return l.nc }

// LastSeq is the sequence of the newest message, read from the leader.
func (l *Log) LastSeq(ctx context.Context) (uint64, error) {
	info, err := l.stream.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the state of stream %s: %w", Stream(l.source), err)
	}
	return info.State.LastSeq, nil
}

// Backlog is about how many bytes the stream holds from a sequence on, of all
// channels.
func (l *Log) Backlog(ctx context.Context, from uint64) (int64, error) {
	info, err := l.stream.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the state of stream %s: %w", Stream(l.source), err)
	}
	s := info.State
	if s.Msgs == 0 || from > s.LastSeq {
		return 0, nil
	}
	return int64(float64(s.Bytes) / float64(s.Msgs) * float64(s.LastSeq-max(from, s.FirstSeq)+1)), nil
}

// Tail is the newest message of a channel, read from the leader: direct reads,
// which any replica answers, stay off for the stream.
func (l *Log) Tail(ctx context.Context, channel string) (Message, bool, error) {
	raw, err := l.stream.GetLastMsgForSubject(ctx, LogSubject(l.source, channel))
	return found(raw, err, "read the tail of channel "+channel)
}

// At is the message at a sequence.
func (l *Log) At(ctx context.Context, seq uint64) (Message, bool, error) {
	if seq == 0 {
		return Message{}, false, nil
	}
	raw, err := l.stream.GetMsg(ctx, seq)
	return found(raw, err, fmt.Sprintf("read message %d", seq))
}

func found(raw *jetstream.RawStreamMsg, err error, what string) (Message, bool, error) {
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Message{}, false, nil
	}
	if err != nil {
		return Message{}, false, fmt.Errorf("%s: %w", what, err)
	}
	return Message{Seq: raw.Sequence, Subject: raw.Subject, Data: raw.Data, Time: raw.Time}, true, nil
}

// SetConsumer makes the durable consumer of an edge anew, so that its next
// message is the first one at or after seq. Pages and chunks to it are forgotten:
// they answer what it asked before it attached, and it asks anew. Commands are
// forgotten below unseen only: what it did not see stays until it did.
func (l *Log) SetConsumer(ctx context.Context, edge, channel string, seq, unseen uint64) error {
	if err := l.DropConsumer(ctx, edge); err != nil {
		return err
	}
	if err := l.purgeEdge(ctx, edge, unseen); err != nil {
		return err
	}
	_, err := l.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable:           edge,
		Description:       "syncer: edge " + edge,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       max(seq, 1),
		AckPolicy:         jetstream.AckAllPolicy,
		AckWait:           5 * time.Minute,
		MaxAckPending:     4096,
		FilterSubjects:    []string{LogSubject(l.source, channel), EdgeSubject(l.source, edge), OrderSubject(l.source, edge)},
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: 72 * time.Hour,
	})
	if err != nil {
		return fmt.Errorf("make the consumer of edge %s at sequence %d: %w", edge, seq, err)
	}
	return nil
}

func (l *Log) purgeEdge(ctx context.Context, edge string, unseen uint64) error {
	err := l.stream.Purge(ctx, jetstream.WithPurgeSubject(EdgeSubject(l.source, edge)))
	if err == nil && unseen > 1 {
		err = l.stream.Purge(ctx, jetstream.WithPurgeSubject(OrderSubject(l.source, edge)), jetstream.WithPurgeSequence(unseen))
	}
	if err != nil {
		return fmt.Errorf("purge what edge %s was sent before: %w", edge, err)
	}
	return nil
}

// Orders are the messages with commands to an edge from one sequence, from 1
// on, to below another one, oldest first.
func (l *Log) Orders(ctx context.Context, edge string, from, below uint64) ([]Message, error) {
	var out []Message
	for at := from; at < below; {
		raw, err := l.stream.GetMsg(ctx, at, jetstream.WithGetMsgSubject(OrderSubject(l.source, edge)))
		m, ok, err := found(raw, err, "read the commands to edge "+edge)
		if err != nil {
			return nil, err
		}
		if !ok || m.Seq >= below {
			break
		}
		out = append(out, m)
		at = m.Seq + 1
	}
	return out, nil
}

// Feeds are the channels from which the consumers of edges are fed.
func (l *Log) Feeds(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	list := l.stream.ListConsumers(ctx)
	for info := range list.Info() {
		for _, subject := range append(info.Config.FilterSubjects, info.Config.FilterSubject) {
			if channel, ok := strings.CutPrefix(subject, LogSubject(l.source, "")); ok {
				out[info.Name] = channel
			}
		}
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list the consumers of stream %s: %w", Stream(l.source), err)
	}
	return out, nil
}

// DropConsumer removes the durable consumer of an edge. It is no error when
// there is none.
func (l *Log) DropConsumer(ctx context.Context, edge string) error {
	err := l.stream.DeleteConsumer(ctx, edge)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("remove the consumer of edge %s: %w", edge, err)
	}
	return nil
}
