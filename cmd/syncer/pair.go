package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/pairing"
	"github.com/syncer-io/syncer/replicator/status"
)

func newPair(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "pair",
		GroupID: groupPairs,
		Short:   "Let edges in, list them, and shut them out",
		Long: `Manage the pairs of a source: which edge may receive which policy. The commands
read the cloud's configuration to find the hub.`,
	}
	group(cmd)
	cmd.AddCommand(newPairCreate(s), newPairList(s), newPairShow(s), newPairRemove(s))
	return cmd
}

// pairView is one pair for programs. It holds no secret.
type pairView struct {
	Name     string     `json:"name"`
	Source   string     `json:"source"`
	Policy   string     `json:"policy"`
	Labels   labels     `json:"labels,omitempty"`
	State    string     `json:"state"` // offered, expired, paired or removed
	Created  time.Time  `json:"created"`
	Expires  time.Time  `json:"expires"` // of the token
	Joined   *time.Time `json:"joined,omitempty"`
	Removed  *time.Time `json:"removed,omitempty"`
	Hostname string     `json:"hostname,omitempty"`
	Version  string     `json:"version,omitempty"`
	EdgeKey  string     `json:"edgeKey,omitempty"` // public
}

func viewPair(r pairing.Record, now time.Time) pairView {
	v := pairView{
		Name: r.Name, Source: r.Source, Policy: r.Policy, Labels: r.Labels, State: string(r.State),
		Created: r.Created, Expires: r.Expires, Hostname: r.Hostname, Version: r.Software, EdgeKey: r.EdgeKey,
	}
	if r.Expired(now) {
		v.State = "expired"
	}
	if !r.Used.IsZero() {
		v.Joined = &r.Used
	}
	if !r.RemovedAt.IsZero() {
		v.Removed = &r.RemovedAt
	}
	return v
}

// since says in words when the pair came into its state.
func (v pairView) since(now time.Time) string {
	switch {
	case v.Removed != nil:
		return status.Ago(now.Sub(*v.Removed)) + " ago"
	case v.Joined != nil:
		return status.Ago(now.Sub(*v.Joined)) + " ago"
	case now.Before(v.Expires):
		return fmt.Sprintf("token valid for %s", status.Ago(v.Expires.Sub(now)))
	default:
		return status.Ago(now.Sub(v.Expires)) + " ago"
	}
}

// labels are the labels of an edge.
type labels map[string]string

// String is the labels in the order of their names, or a dash.
func (l labels) String() string {
	if len(l) == 0 {
		return "-"
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(l)) {
		out = append(out, name+"="+l[name])
	}
	return strings.Join(out, ",")
}
