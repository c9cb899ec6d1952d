package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/syncer-io/syncer/replicator/fault"
)

// Client reaches one API server. Its fields and methods may be used by several
// goroutines at once.
type Client struct {
	Objects  dynamic.Interface
	Metadata metadata.Interface
	Version  version.Info // of the server, when it was connected to
	Host     string

	config    *rest.Config
	plain     rest.Interface // for what the server says of itself
	resources resources
	busy      atomic.Int64
}

// LeastMinor is the oldest Kubernetes 1.x that takes server-side apply as this
// package's users need it.
const LeastMinor = 22

// Connect makes a client and asks the server for its version. Errors are
// explained: of class Usage when the kubeconfig is wrong, Refused when the
// credentials are, Unreachable, or Check when the server is too old.
func Connect(ctx context.Context, c Config, log *slog.Logger) (*Client, error) {
	config, err := c.rest()
	if err != nil {
		return nil, err
	}
	return Over(ctx, config, c.Agent, log)
}

// Over is Connect with credentials that are here already. The config is not
// changed.
func Over(ctx context.Context, config *rest.Config, agent string, log *slog.Logger) (*Client, error) {
	out := &Client{config: rest.CopyConfig(config), Host: config.Host}
	out.config.QPS = -1 // the server's own fairness is enough
	out.config.UserAgent = agent
	out.config.WarningHandlerWithContext = warnings{log}
	out.config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &watchful{next, &out.busy} })
	if err := out.clients(); err != nil {
		return nil, fault.New(fault.Usage, "check the kubeconfig", "make a client of the API server at %s: %w", config.Host, err)
	}
	return out, out.check(ctx)
}

func (c *Client) clients() (err error) {
	shared, err := rest.HTTPClientFor(c.config)
	if err != nil {
		return err
	}
	if c.Objects, err = dynamic.NewForConfigAndClient(c.config, shared); err != nil {
		return err
	}
	if c.Metadata, err = metadata.NewForConfigAndClient(c.config, shared); err != nil {
		return err
	}
	plain := rest.CopyConfig(c.config)
	known := runtime.NewScheme()
	metav1.AddToGroupVersion(known, core) // what the server says when it refuses
	plain.NegotiatedSerializer = serializer.NewCodecFactory(known).WithoutConversion()
	c.plain, err = rest.UnversionedRESTClientForConfigAndClient(plain, shared)
	return err
}

// check notes the version of the server.
func (c *Client) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	result := c.plain.Get().AbsPath("/version").MaxRetries(0).Do(ctx)
	if err := result.Error(); err != nil { // Raw would not read what the server says
		return c.Explain(err)
	}
	raw, err := result.Raw()
	if err != nil {
		return c.Explain(err)
	}
	if err := json.Unmarshal(raw, &c.Version); err != nil || c.Version.Major == "" {
		return fault.New(fault.Usage, "check the address: this is no API server of Kubernetes",
			"the version of the server at %s is not readable: %w", c.Host, errors.Join(err, errNoVersion))
	}
	return c.supported()
}

var errNoVersion = errors.New("it names no version")

const checkTime = 10 * time.Second

func (c *Client) supported() error {
	if minor, ok := c.minor(); ok && minor < LeastMinor {
		return fault.New(fault.Check, fmt.Sprintf("upgrade the cluster to 1.%d or later", LeastMinor),
			"the API server at %s is of version %s, which is too old", c.Host, c.Version.GitVersion)
	}
	return nil
}

// minor is the x of 1.x; a server that counts otherwise may be new enough.
func (c *Client) minor() (int, bool) {
	minor, err := strconv.Atoi(strings.TrimRight(c.Version.Minor, "+"))
	return minor, err == nil && c.Version.Major == "1"
}

// Busy counts the answers with which the server asked for patience so far: 429.
// The requests themselves are sent again.
func (c *Client) Busy() int64 { return c.busy.Load() }

// watchful notes when the server is busy.
type watchful struct {
	next http.RoundTripper
	busy *atomic.Int64
}

func (w *watchful) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusTooManyRequests {
		w.busy.Add(1)
	}
	return resp, err
}

// warnings of the server are for whoever looks closely: most of them are about
// versions of the source's objects.
type warnings struct{ log *slog.Logger }

func (w warnings) HandleWarningHeaderWithContext(ctx context.Context, _ int, _, text string) {
	if text != "" {
		w.log.DebugContext(ctx, "the API server warns", "warning", text)
	}
}
