package importer

import (
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// received is the newest message of the inbox that follows the cursor. A paused
// edge applies nothing and goes on receiving: without this it would get all of it
// once more with every attach, and apply heartbeats of the past.
func (a *applier) received(channel string) (head change.Head, seq uint64, err error) {
	l := link{channel: channel, lineage: a.cursor.Lineage, hash: a.cursorChain(), revision: a.position}
	seq = a.seq
	for next := a.im.inbox.First(); ; {
		records, err := a.im.inbox.Read(next, readBytes)
		if err != nil {
			return head, 0, fmt.Errorf("read the inbox: %w", err)
		}
		for _, r := range records {
			next = r.Seq + 1
			at, message, err := decodeRecord(r.Data)
			if err != nil {
				return head, 0, err
			}
			before := l.hash
			if _, err := l.follow(jetstream.Message{Seq: at, Data: message}); err != nil {
				return head, 0, fmt.Errorf("inbox record %d: %w", r.Seq, err)
			}
			if l.hash != before {
				seq = at
			}
		}
		if len(records) == 0 {
			return change.Head{Position: change.Position{Lineage: l.lineage, Revision: l.revision}, Hash: l.hash}, seq, nil
		}
	}
}
