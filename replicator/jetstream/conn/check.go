package conn

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/fault"
)

// CheckJetStream is nil when the hub offers JetStream to the connection's
// user. It asks for the account, which admins may and edges may not; an edge
// gives the error of its first JetStream request to NoJetStream instead.
func CheckJetStream(ctx context.Context, nc *nats.Conn) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("ask the hub for its JetStream account: %w", err)
	}
	_, err = js.AccountInfo(ctx)
	if err == nil {
		return nil
	}
	if f := NoJetStream(nc, err); f != nil {
		return f
	}
	return fmt.Errorf("ask the hub at %s for its JetStream account: %w", nc.ConnectedUrlRedacted(), err)
}

// NoJetStream explains an error that says that the hub has no JetStream; it is
// nil for any other.
func NoJetStream(nc *nats.Conn, err error) error {
	for _, target := range []error{jetstream.ErrJetStreamNotEnabled, jetstream.ErrJetStreamNotEnabledForAccount, nats.ErrNoResponders} {
		if errors.Is(err, target) {
			return fault.New(fault.Check,
				"enable it with jetstream {} in the server's configuration and for the account, or use: syncer hub",
				"the hub at %s does not offer JetStream: %w", nc.ConnectedUrlRedacted(), err)
		}
	}
	return nil
}

// CheckMaxPayload is nil when the hub takes messages of need bytes, headers
// included.
func CheckMaxPayload(nc *nats.Conn, need int64) error {
	have := nc.MaxPayload()
	if have >= need {
		return nil
	}
	return fault.New(fault.Check,
		fmt.Sprintf("set max_payload: %d (or more) in the hub's configuration and reload it", need),
		"the hub at %s has max_payload %d and %d is needed: messages would be refused", nc.ConnectedUrlRedacted(), have, need)
}
