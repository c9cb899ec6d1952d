package testbed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// hubVariable names the configuration file to the re-executed binary.
const hubVariable = "SYNCER_TESTBED_HUB"

const hubReadyLine = "testbed: nats-server is ready"

// serveHub runs an embedded nats-server until standard input ends.
func serveHub(file string) error {
	options, err := natsd.ProcessConfigFile(file)
	if err != nil {
		return fmt.Errorf("read the configuration of the hub: %w", err)
	}
	options.NoSigs = true
	s, err := natsd.NewServer(options)
	if err != nil {
		return fmt.Errorf("set up nats-server: %w", err)
	}
	s.ConfigureLogger()
	s.Start()
	if !s.ReadyForConnections(stopGrace) {
		return fmt.Errorf("nats-server %s did not become ready in %s", options.ServerName, stopGrace)
	}
	fmt.Fprintln(os.Stdout, hubReadyLine)
	_, err = io.Copy(io.Discard, os.Stdin)
	s.Shutdown()
	s.WaitForShutdown()
	return err
}

// HubNode is one server of a [HubCluster], in a child process. Its methods are
// not safe for concurrent use.
type HubNode struct {
	// Name is what the cluster calls the node, for instance as a leader.
	Name string
	// Address is where clients connect, host:port.
	Address string

	routes  string // host:port for the other nodes
	dir     string
	process *Process // nil while stopped
}

// URL is where clients connect.
func (n *HubNode) URL() string { return "nats://" + n.Address }

// Start starts a stopped node on its ports and directory and waits until it
// takes connections. The cluster may elect its leaders later.
func (n *HubNode) Start(ctx context.Context) error {
	if n.process != nil {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start %s: find the running binary: %w", n.Name, err)
	}
	n.process, err = StartProcess(ProcessConfig{Path: self, Env: []string{hubVariable + "=" + n.file()}})
	if err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	if _, err := n.process.WaitLine(ctx, hubReadyLine); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", n.Name, err), n.Kill())
	}
	return nil
}

// Kill ends the node with SIGKILL: it says nothing to the others.
func (n *HubNode) Kill() error {
	if n.process == nil {
		return nil
	}
	err := n.process.Kill()
	n.process = nil
	return err
}

// Stop ends the node in good order: it hands its leaderships over first.
func (n *HubNode) Stop() error {
	if n.process == nil {
		return nil
	}
	closing := n.process.stdin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	_, err := n.process.Wait(ctx)
	return errors.Join(closing, err, n.Kill())
}

// Freeze stops the node with SIGSTOP: its connections stay open and nothing
// answers. A frozen leader believes that it leads when it goes on.
func (n *HubNode) Freeze() error { return n.signal(syscall.SIGSTOP) }

// Thaw lets a frozen node go on.
func (n *HubNode) Thaw() error { return n.signal(syscall.SIGCONT) }

func (n *HubNode) signal(s syscall.Signal) error {
	if n.process == nil {
		return fmt.Errorf("signal %s: %s does not run", s, n.Name)
	}
	return n.process.Signal(s)
}

func (n *HubNode) file() string { return n.dir + ".conf" }

// write writes the configuration that the operator of such a cluster would
// write.
func (n *HubNode) write(routes []string, c HubClusterConfig) error {
	text := fmt.Sprintf(`server_name: %q
listen: %q
max_payload: %d
ping_interval: "20s"
write_deadline: "30s"
jetstream {
  store_dir: %q
  sync_interval: always
  max_file_store: 16GB
  max_memory_store: 256MB
}
cluster {
  name: testbed
  listen: %q
  routes: [%s]
}
%s
`, n.Name, n.Address, c.MaxPayload, n.dir, n.routes, strings.Join(routes, ", "), c.Accounts)
	if err := os.MkdirAll(filepath.Dir(n.dir), 0o700); err != nil {
		return fmt.Errorf("configure %s: %w", n.Name, err)
	}
	if err := os.WriteFile(n.file(), []byte(text), 0o600); err != nil {
		return fmt.Errorf("configure %s: %w", n.Name, err)
	}
	return nil
}
