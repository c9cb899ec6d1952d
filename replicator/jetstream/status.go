package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/status"
)

// PutStatus hands an edge's report to the hub, which keeps the newest of each. It
// does not wait for it to be stored: the next report follows soon.
func PutStatus(nc *nats.Conn, source, who string, report status.Edge) error {
	data, err := report.Encode()
	if err != nil {
		return err
	}
	if err := nc.Publish(StatusSubject(source, who), data); err != nil {
		return fmt.Errorf("report the status of %s: %w", who, err)
	}
	return nil
}

// Report stores the exporter's report. On return the hub holds it. A stream of
// reports that was deleted is made again: nothing else would notice, for the
// edges do not wait for an answer.
func (l *Log) Report(ctx context.Context, report any) error {
	data, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("encode the status of the exporter: %w", err)
	}
	err = l.store(ctx, data)
	if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		if err := l.ensureStatus(ctx); err != nil {
			return err
		}
		err = l.store(ctx, data)
	}
	if err != nil {
		return fmt.Errorf("report the status of the exporter: %w", err)
	}
	return nil
}

// storeTime is how long the hub may take to store a report. A subject without a
// stream is silent, and not known to be without one, when somebody listens to
// the reports as they come.
const storeTime = 800 * time.Millisecond

func (l *Log) store(ctx context.Context, report []byte) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	_, err := l.js.Publish(ctx, StatusSubject(l.source, ExporterName), report, jetstream.WithRetryAttempts(0))
	return err
}

// Statuses is the newest report of everybody of a source. Its times are the
// hub's: Reported is when the hub got a report, not what the sender's clock
// said, which at an edge may be far off.
type Statuses struct {
	Now      time.Time
	Exporter *status.Exporter
	Edges    map[string]status.Edge
}

// ReadStatuses reads the newest reports, those of all edges and of the
// exporter. An absent report is absent, never an empty one.
func ReadStatuses(ctx context.Context, nc *nats.Conn, source string) (Statuses, error) {
	out := Statuses{Now: time.Now(), Edges: map[string]status.Edge{}}
	js, err := jetstream.New(nc)
	if err != nil {
		return out, fmt.Errorf("open JetStream: %w", err)
	}
	stream, err := js.Stream(ctx, StatusStream(source))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("open stream %s: %w", StatusStream(source), err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(StatusSubject(source, "*")))
	if err != nil {
		return out, fmt.Errorf("read stream %s: %w", StatusStream(source), err)
	}
	if !info.TimeStamp.IsZero() {
		out.Now = info.TimeStamp
	}
	for subject := range info.State.Subjects {
		if err := readStatus(ctx, stream, subject, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// LastReport is the newest report of an exporter of the source, whichever; nil
// when there is none. Its Reported is the hub's time.
func (l *Log) LastReport(ctx context.Context) (*status.Exporter, error) {
	stream, err := l.js.Stream(ctx, StatusStream(l.source))
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", StatusStream(l.source), err)
	}
	var out Statuses
	err = readStatus(ctx, stream, StatusSubject(l.source, ExporterName), &out)
	return out.Exporter, err
}

func readStatus(ctx context.Context, stream jetstream.Stream, subject string, out *Statuses) error {
	raw, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read status %s: %w", subject, err)
	}
	who := subject[strings.LastIndexByte(subject, '.')+1:]
	if who == ExporterName {
		out.Exporter = new(status.Exporter)
		err = json.Unmarshal(raw.Data, out.Exporter)
		out.Exporter.Reported = raw.Time
	} else {
		var e status.Edge
		err = json.Unmarshal(raw.Data, &e)
		e.Name, e.Reported = who, raw.Time // what the hub vouches for
		out.Edges[who] = e
	}
	if err != nil {
		return fmt.Errorf("decode status %s: %w", subject, err)
	}
	return nil
}
