package importer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// profile is what the exporter said about the channel at the last attach. It
// is kept in a file so that an edge that starts without its hub can apply what
// the inbox holds. It is a cache: without it the edge waits for the hub.
type profile struct {
	Format    int               `json:"format"`
	Channel   string            `json:"channel,omitempty"`
	Ranges    []change.Range    `json:"ranges"`
	Rules     []filter.RuleInfo `json:"rules"`
	Policy    string            `json:"policy"`
	Heartbeat time.Duration     `json:"heartbeat"`
}

const profileFormat = 2

func profileOf(r *jetstream.AttachReply) profile {
	return profile{Format: profileFormat, Channel: r.Channel, Ranges: r.Ranges, Rules: r.Rules, Policy: r.Policy, Heartbeat: r.Heartbeat}
}

func profilePath(dir string) string { return filepath.Join(dir, "channel.json") }

func loadProfile(dir string) (profile, bool, error) {
	raw, err := os.ReadFile(profilePath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return profile{}, false, nil
	}
	if err != nil {
		return profile{}, false, fmt.Errorf("read the channel's profile: %w", err)
	}
	var p profile
	if json.Unmarshal(raw, &p) != nil || p.Format != profileFormat {
		return profile{}, false, nil //nolint:nilerr // a cache that cannot be read is no cache
	}
	return p, true, nil
}

// save replaces the file in one step. It is not synced: a lost profile costs
// nothing but the wait for the hub.
func (p profile) save(dir string) error {
	raw, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the channel's profile: %w", err)
	}
	tmp := profilePath(dir) + ".new"
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return fmt.Errorf("write the channel's profile: %w", err)
	}
	failpoint.Hit(failpoint.ProfileBefore)
	if err := os.Rename(tmp, profilePath(dir)); err != nil {
		return fmt.Errorf("write the channel's profile: %w", err)
	}
	failpoint.Hit(failpoint.ProfileAfter)
	return nil
}
