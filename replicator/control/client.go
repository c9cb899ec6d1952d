package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// ErrNotRunning tells that no importer runs on a data directory.
var ErrNotRunning = errors.New("no importer runs")

// Client speaks with the importer of a data directory. Its methods may be
// called at the same time. Their errors have class Unreachable when no
// importer answers, ErrNotRunning among them, or when it has no room for now, and Refused when this user
// may not speak with it.
type Client struct {
	dir  string
	http *http.Client
}

// NewClient is a client for the importer of a data directory. It connects when
// it is asked something.
func NewClient(dir string) *Client {
	connect := func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, dir) }
	return &Client{dir: dir, http: &http.Client{Transport: &http.Transport{DialContext: connect, MaxIdleConns: 1}}}
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Command hands over a command. On return the importer has taken it, and its
// report tells of it.
func (c *Client) Command(ctx context.Context, o command.Command) error {
	raw, err := o.Encode()
	if err != nil {
		return err
	}
	_, err = c.do(ctx, http.MethodPost, commandPath, raw)
	return err
}

// Status is the importer's report as of now.
func (c *Client) Status(ctx context.Context) (status.Edge, error) {
	raw, err := c.do(ctx, http.MethodGet, statusPath, nil)
	if err != nil {
		return status.Edge{}, err
	}
	var e status.Edge
	if err := json.Unmarshal(raw, &e); err != nil {
		return status.Edge{}, fmt.Errorf("decode the report of the importer of %s: %w", c.dir, err)
	}
	return e, nil
}

// Conflicts are the conflicts on record that a query selects. The error has
// class Usage when a record that is asked for by its ID is not there.
func (c *Client) Conflicts(ctx context.Context, q command.Query) (Conflicts, error) {
	path := conflictsPath
	if text := writeQuery(q); text != "" {
		path += "?" + text
	}
	raw, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return Conflicts{}, err
	}
	var out Conflicts
	if err := json.Unmarshal(raw, &out); err != nil {
		return Conflicts{}, fmt.Errorf("decode the conflicts of the importer of %s: %w", c.dir, err)
	}
	return out, nil
}

func (c *Client) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://importer"+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask the importer of %s: %w", c.dir, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return nil, c.refused(resp.StatusCode, raw)
	}
	return raw, nil
}

// explain says why there is no answer.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fault.New(fault.Unreachable, "start it: syncer import", "%w on data directory %s: %w", ErrNotRunning, c.dir, err)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Refused, "run the command as the user that the importer runs as", "speak with the importer of %s: %w", c.dir, err)
	default:
		return fault.New(fault.Unreachable, "see that the importer runs, and its log", "the importer of %s does not answer: %w", c.dir, err)
	}
}

func (c *Client) refused(code int, raw []byte) error {
	var r refusal
	if err := json.Unmarshal(raw, &r); err != nil || r.Error == "" {
		r = refusal{Error: http.StatusText(code)}
	}
	if code == http.StatusServiceUnavailable {
		return fault.New(fault.Unreachable, orElse(r.Try, "run the command again when others have ended: syncer status"),
			"the importer does not take the command now: %s", r.Error)
	}
	return fault.New(fault.Usage, r.Try, "the importer refuses the command: %s", r.Error)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
