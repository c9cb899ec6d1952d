package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// HubClusterConfig says how a cluster of nats-servers is started.
type HubClusterConfig struct {
	// Dir holds one store directory and one configuration file per node. It is
	// created when missing.
	Dir string
	// Accounts is the part of each node's configuration that says who may
	// connect, in nats-server's own format. Empty lets everybody in.
	Accounts string
	// MaxPayload bounds a message; 0 is nats-server's 1 MiB.
	MaxPayload int
}

// hubNodes is how many servers a cluster has: the fewest that survive one.
const hubNodes = 3

// HubCluster is a JetStream cluster of three nats-servers on loopback, each an
// embedded server in a child process with a store of its own, synced on every
// write. It is a hub that its operator runs, not syncer.
type HubCluster struct {
	config HubClusterConfig
	nodes  []*HubNode
}

// StartHubCluster starts the nodes and waits until each takes connections. The
// context bounds the start only. The running binary must call [Main].
func StartHubCluster(ctx context.Context, config HubClusterConfig) (*HubCluster, error) {
	if config.MaxPayload == 0 {
		config.MaxPayload = 1 << 20
	}
	c := &HubCluster{config: config}
	for i := range hubNodes {
		n := &HubNode{Name: fmt.Sprintf("hub-%d", i+1)}
		n.dir = filepath.Join(config.Dir, n.Name)
		for _, address := range []*string{&n.Address, &n.routes} {
			free, err := FreeAddress()
			if err != nil {
				return nil, fmt.Errorf("start %s: %w", n.Name, err)
			}
			*address = free
		}
		c.nodes = append(c.nodes, n)
	}
	if err := c.configure(); err != nil {
		return nil, err
	}
	for _, n := range c.nodes {
		if err := n.Start(ctx); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// configure writes the configuration of every node.
func (c *HubCluster) configure() error {
	var routes []string
	for _, n := range c.nodes {
		routes = append(routes, fmt.Sprintf("%q", "nats-route://"+n.routes))
	}
	for _, n := range c.nodes {
		if err := n.write(routes, c.config); err != nil {
			return err
		}
	}
	return nil
}

// NewHubCluster starts a cluster for a test and ends it with the test. An
// empty Dir is a temporary directory.
func NewHubCluster(t TB, config HubClusterConfig) *HubCluster {
	t.Helper()
	if config.Dir == "" {
		config.Dir = filepath.Join(t.TempDir(), "cluster")
	}
	c, err := StartHubCluster(t.Context(), config)
	if err != nil {
		t.Fatalf("start a cluster of nats-servers: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close the cluster of nats-servers: %v", err)
		}
	})
	return c
}

// Close kills the nodes. Their data stays.
func (c *HubCluster) Close() error {
	var errs []error
	for _, n := range c.nodes {
		errs = append(errs, n.Kill())
	}
	return errors.Join(errs...)
}

// URLs are the addresses of all nodes as a configuration takes them, separated
// by commas.
func (c *HubCluster) URLs() string {
	urls := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		urls[i] = n.URL()
	}
	return strings.Join(urls, ",")
}

// Nodes are the servers, those that do not run included.
func (c *HubCluster) Nodes() []*HubNode { return c.nodes }

// Leader is the node that leads a stream, as the others see it through nc,
// which must be a connection of the stream's account. It waits for an election
// until ctx ends.
func (c *HubCluster) Leader(ctx context.Context, nc *nats.Conn, stream string) (*HubNode, error) {
	for {
		name, err := leader(ctx, nc, stream)
		if err == nil {
			for _, n := range c.nodes {
				if n.Name == name {
					return n, nil
				}
			}
			err = fmt.Errorf("nobody is named %q", name)
		}
		if stopped := c.wait(ctx); stopped != nil {
			return nil, fmt.Errorf("find the leader of stream %s: %w", stream, errors.Join(err, stopped))
		}
	}
}

// Stepdown has the leader of a stream hand over, without waiting for the
// election.
func (c *HubCluster) Stepdown(ctx context.Context, nc *nats.Conn, stream string) error {
	_, err := ask(ctx, nc, "$JS.API.STREAM.LEADER.STEPDOWN."+stream, "")
	if err != nil {
		return fmt.Errorf("have the leader of stream %s step down: %w", stream, err)
	}
	return nil
}

// HandOver asks the leader of a stream to have another node lead, without
// waiting for the election, which may end otherwise.
func (c *HubCluster) HandOver(ctx context.Context, nc *nats.Conn, stream string, to *HubNode) error {
	_, err := ask(ctx, nc, "$JS.API.STREAM.LEADER.STEPDOWN."+stream, fmt.Sprintf(`{"placement": {"preferred": %q}}`, to.Name))
	if err != nil {
		return fmt.Errorf("have %s lead stream %s: %w", to.Name, stream, err)
	}
	return nil
}

// SetMaxPayload restarts all nodes with another limit of messages, in bytes.
func (c *HubCluster) SetMaxPayload(ctx context.Context, limit int) error {
	c.config.MaxPayload = limit
	if err := c.configure(); err != nil {
		return err
	}
	for _, n := range c.nodes {
		if err := n.Stop(); err != nil {
			return err
		}
		if err := n.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Whole waits until every replica of a stream is there and has all of it.
func (c *HubCluster) Whole(ctx context.Context, nc *nats.Conn, stream string) error {
	for {
		raw, err := ask(ctx, nc, "$JS.API.STREAM.INFO."+stream, "")
		if err == nil && whole(raw) {
			return nil
		}
		if err := c.wait(ctx); err != nil {
			return fmt.Errorf("wait for the replicas of stream %s, which last said %s: %w", stream, raw, err)
		}
	}
}

// hubPause is the pause between two looks at the cluster.
const hubPause = 50 * time.Millisecond

func (c *HubCluster) wait(ctx context.Context) error {
	select {
	case <-time.After(hubPause):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// streamState is what the tests read of a stream's info.
type streamState struct {
	Cluster struct {
		Leader   string `json:"leader"`
		Replicas []struct {
			Name    string `json:"name"`
			Current bool   `json:"current"`
			Offline bool   `json:"offline"`
		} `json:"replicas"`
	} `json:"cluster"`
}

func whole(raw []byte) bool {
	var s streamState
	if json.Unmarshal(raw, &s) != nil || s.Cluster.Leader == "" || len(s.Cluster.Replicas) != hubNodes-1 {
		return false
	}
	for _, r := range s.Cluster.Replicas {
		if r.Offline || !r.Current {
			return false
		}
	}
	return true
}

func leader(ctx context.Context, nc *nats.Conn, stream string) (string, error) {
	raw, err := ask(ctx, nc, "$JS.API.STREAM.INFO."+stream, "")
	if err != nil {
		return "", err
	}
	var s streamState
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("read the state of stream %s: %w", stream, err)
	}
	if s.Cluster.Leader == "" {
		return "", fmt.Errorf("stream %s has no leader", stream)
	}
	return s.Cluster.Leader, nil
}

// askTime bounds one question: a node that dies takes the question with it.
const askTime = 2 * time.Second

// ask sends a request of JetStream's API and gives the answer, also when it is
// a refusal, then with an error.
func ask(ctx context.Context, nc *nats.Conn, subject, question string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	m, err := nc.RequestWithContext(ctx, subject, []byte(question))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Error *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return m.Data, fmt.Errorf("read the answer of %s: %w", subject, err)
	}
	if answer.Error != nil {
		return m.Data, fmt.Errorf("%s (%d)", answer.Error.Description, answer.Error.Code)
	}
	return m.Data, nil
}
