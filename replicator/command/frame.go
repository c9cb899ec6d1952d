package command

import (
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
)

// Body is the raw body of the frame that carries the command.
func (c Command) Body() ([]byte, error) {
	json, err := c.Encode()
	if err != nil {
		return nil, err
	}
	return change.EncodeCommand(json), nil
}

// FromMessage reads a message of the stream; ok is false when it carries
// something else.
func FromMessage(message []byte) (c Command, ok bool, err error) {
	f, err := change.DecodeFrame(message)
	if err != nil || f.Kind != change.KindCommand {
		return Command{}, false, nil //nolint:nilerr // what is no frame is no command either
	}
	c.ID = f.Request
	raw, err := change.Decompress(f.Body)
	if err != nil {
		return c, true, fmt.Errorf("command %s: %w", f.Request, err)
	}
	json, err := change.DecodeCommand(raw)
	if err != nil {
		return c, true, fmt.Errorf("command %s: %w", f.Request, err)
	}
	read, err := Decode(json)
	if err != nil {
		return c, true, err
	}
	return read, true, nil
}
