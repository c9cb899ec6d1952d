package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	corev1 "k8s.io/api/core/v1"

	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/kube/client"
)

// stored is the cursor as it stands in the cluster. The zero value is an absent
// one.
type stored struct {
	modRev  int64
	version string
	raw     []byte
	cursor  target.Cursor
	session string
}

func (s stored) found() bool { return s.version != "" }

func (s stored) holds(raw []byte) bool { return s.found() && bytes.Equal(s.raw, raw) }

const cursorField = "cursor"

// CursorName is the ConfigMap that holds the cursor of a channel.
func CursorName(key target.CursorKey) string { return ownMaps{key: key}.name(aboutCursor, "") }

func (t *Target) readCursor(ctx context.Context) (stored, error) {
	c, err := t.maps.get(ctx, CursorName(t.key))
	if err != nil || c == nil {
		return stored{}, err
	}
	return t.stored(c)
}

func (t *Target) stored(c *corev1.ConfigMap) (stored, error) {
	s := stored{version: c.ResourceVersion, modRev: revision(c.ResourceVersion), raw: []byte(c.Data[cursorField])}
	var err error
	s.cursor, s.session, err = target.DecodeCursor(t.key, s.raw)
	return s, err
}

// writeCursor writes the cursor under the guard; t.mu is held for writing. It
// returns the cursor as stored. When no answer comes it finds out what happened,
// and sends the same again if nothing did.
func (t *Target) writeCursor(ctx context.Context, c target.Cursor) (target.Cursor, int64, error) {
	c.Format, c.Source, c.Channel = target.CursorFormat, t.key.Source, t.key.Channel
	if c.Owner == "" {
		c.Owner = t.owner
	}
	c.Updated = time.Now().UTC()
	t.writes++
	raw, err := target.EncodeCursor(t.key, c, t.session, t.writes)
	if err != nil {
		return target.Cursor{}, 0, err
	}
	version, err := t.sendCursor(ctx, raw)
	switch {
	case errors.Is(err, target.ErrOutcomeUnknown):
		t.guard.pending = raw
		return c, 0, err
	case err != nil:
		return c, 0, err
	}
	t.guard.version, t.guard.modRev = version, revision(version)
	signal(t.watching.wrote)
	return c, t.guard.modRev, t.inventory.noteCursor(raw)
}

func (t *Target) sendCursor(ctx context.Context, raw []byte) (version string, err error) {
	pause := newPause()
	for {
		version, err := t.maps.put(ctx, aboutCursor, CursorName(t.key), t.guard.version, map[string]string{cursorField: string(raw)}, nil)
		switch {
		case err == nil:
			return version, nil
		case errors.Is(err, errChanged), client.Transient(err):
		default:
			return "", err
		}
		now, rerr := t.readCursor(ctx)
		switch {
		case rerr == nil && now.holds(raw):
			return now.version, nil // an earlier sending of the same
		case rerr == nil && now.version != t.guard.version:
			return "", t.lost(now)
		case rerr != nil && ctx.Err() == nil && !client.Transient(rerr):
			return "", fmt.Errorf("%w: %w", target.ErrOutcomeUnknown, rerr)
		}
		if werr := wait(ctx, pause); werr != nil {
			return "", fmt.Errorf("%w: %w: %w", target.ErrOutcomeUnknown, context.Cause(ctx), err)
		}
	}
}

// stillOurs reads the cursor before objects are written: whoever was fenced
// writes none. What a twin writes after that, the guards of the objects find.
func (t *Target) stillOurs(ctx context.Context) error {
	if !t.guard.loaded || t.guard.pending != nil {
		return fmt.Errorf("commit to %s: %w", t.key, target.ErrNotLoaded)
	}
	now, err := t.readCursor(ctx)
	if err == nil && now.version != t.guard.version {
		err = t.lost(now)
	}
	return err
}

// lost is the error for a cursor that is not the one we insist on.
func (t *Target) lost(now stored) error {
	return target.Lost(t.key, now.found(), now.found() && now.session == t.session, now.modRev < t.guard.modRev, now.cursor, now.modRev)
}

// newPause begins short: most outages are a reconnect.
func newPause() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = 20 * time.Millisecond
	b.MaxInterval = 2 * time.Second
	return b
}

func wait(ctx context.Context, pause *backoff.ExponentialBackOff) error {
	timer := time.NewTimer(pause.NextBackOff())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ReadCursor reads where a channel stands, for whoever only looks.
func ReadCursor(ctx context.Context, c *client.Client, key target.CursorKey) (cursor target.Cursor, found bool, err error) {
	t := &Target{key: key, maps: ownMaps{client: c, key: key}}
	s, err := t.readCursor(ctx)
	return s.cursor, s.found(), err
}

// Rights are those that an importer needs in its own namespace, whatever the
// policy selects.
func Rights() []client.Rule {
	var out []client.Rule
	for _, verb := range []string{"get", "list", "create", "update", "delete"} {
		out = append(out, client.Rule{Verb: verb, Resource: "configmaps", Namespace: Namespace})
	}
	return out
}
