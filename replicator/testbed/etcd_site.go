package testbed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// site is what a server keeps over restarts: addresses, directory, client.
type site struct {
	config EtcdConfig
	client *clientv3.Client
}

func newSite(config EtcdConfig) (site, error) {
	config, err := config.complete()
	if err != nil {
		return site{}, err
	}
	client, err := Dial("http://" + config.ClientAddress)
	return site{config: config, client: client}, err
}

// Endpoint is the client URL, the same over restarts.
func (s *site) Endpoint() string { return "http://" + s.config.ClientAddress }

// Address is the client host:port, for a [Proxy] in front of the server.
func (s *site) Address() string { return s.config.ClientAddress }

// Dir is the data directory.
func (s *site) Dir() string { return s.config.Dir }

// Client is connected to the server and survives its restarts. It belongs to
// the server: Close closes it.
func (s *site) Client() *clientv3.Client { return s.client }

// Dial makes a quiet client of its own for an endpoint, reconnecting within
// half a second after an outage. The caller closes it. Nothing is sent yet: an
// unreachable endpoint shows at the first request.
func Dial(endpoint string) (*clientv3.Client, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   []string{endpoint},
		DialTimeout: 5 * time.Second,
		Logger:      zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond},
			MinConnectTimeout: 5 * time.Second,
		})},
	})
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", endpoint, err)
	}
	return client, nil
}

// copyTo copies the data directory of a stopped server. The destination must
// not exist.
func (s *site) copyTo(dir string) error {
	if err := copyDir(s.config.Dir, dir); err != nil {
		return fmt.Errorf("copy etcd data to %s: %w", dir, err)
	}
	return nil
}

// replaceWith puts a copy in the place of a stopped server's data.
func (s *site) replaceWith(dir string) error {
	if err := s.remove(); err != nil {
		return err
	}
	if err := copyDir(dir, s.config.Dir); err != nil {
		return fmt.Errorf("restore etcd data from %s: %w", dir, err)
	}
	return nil
}

func (s *site) remove() error {
	if err := os.RemoveAll(s.config.Dir); err != nil {
		return fmt.Errorf("remove etcd data: %w", err)
	}
	return nil
}

func copyDir(from, to string) error {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", to, fs.ErrExist)
	}
	return os.CopyFS(to, os.DirFS(from))
}
