package control

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/command"
)

// Ledger is an importer that keeps conflicts on record.
type Ledger interface {
	// Conflicts carries out a query; see command.Query.Find.
	Conflicts(command.Query) (found []ledger.Record, more bool, err error)
}

// Conflicts is the answer to a query.
type Conflicts struct {
	Conflicts []ledger.Record `json:"conflicts"` // newest first
	More      bool            `json:"more"`      // there are others
}

const conflictsPath = "/v1/conflicts"

func tell(w http.ResponseWriter, r *http.Request, im Importer) {
	l, keeps := im.(Ledger)
	if !keeps {
		answer(w, http.StatusNotFound, refusal{Error: "this importer keeps no record of conflicts"})
		return
	}
	q, err := readQuery(r.URL.RawQuery)
	if err == nil {
		err = command.Command{Format: command.Format, ID: "query", Verb: command.Conflicts, Query: &q}.Check()
	}
	if err != nil {
		answer(w, http.StatusBadRequest, refusal{Error: err.Error()})
		return
	}
	found, more, err := l.Conflicts(q)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		answer(w, http.StatusNotFound, refusal{Error: err.Error(), Try: "syncer conflicts list"})
	case err != nil:
		answer(w, http.StatusServiceUnavailable, refusal{Error: err.Error()})
	default:
		if found == nil {
			found = []ledger.Record{}
		}
		answer(w, http.StatusOK, Conflicts{found, more})
	}
}

// readQuery reads ?prefix=/a/&open=true. Bytes that are no text are escaped.
func readQuery(raw string) (q command.Query, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, fmt.Errorf("read the query: %w", err)
	}
	for name, all := range values {
		if err := set(&q, name, all[len(all)-1]); err != nil {
			return q, fmt.Errorf("the query's %s: %w", name, err)
		}
	}
	return q, nil
}

func set(q *command.Query, name, text string) (err error) {
	switch name {
	case "record":
		q.Record, err = strconv.ParseUint(text, 10, 64)
	case "key":
		q.Key = []byte(text)
	case "values":
		q.Values, err = strconv.ParseBool(text)
	case "prefix":
		q.Prefix = []byte(text)
	case "type":
		q.Type = text
	case "open":
		q.Open, err = strconv.ParseBool(text)
	case "ignored":
		q.Ignored, err = strconv.ParseBool(text)
	case "since":
		q.Since, err = time.Parse(time.RFC3339Nano, text)
	case "before":
		q.Before, err = strconv.ParseUint(text, 10, 64)
	case "limit":
		q.Limit, err = strconv.Atoi(text)
	default:
		err = errors.New("there is no such part; use record, key, values, prefix, type, open, ignored, since, before or limit")
	}
	return err
}

// writeQuery is what readQuery reads.
func writeQuery(q command.Query) string {
	values := url.Values{}
	put := func(name, text string, given bool) {
		if given {
			values.Set(name, text)
		}
	}
	put("record", strconv.FormatUint(q.Record, 10), q.Record > 0)
	put("key", string(q.Key), len(q.Key) > 0)
	put("values", "true", q.Values)
	put("prefix", string(q.Prefix), len(q.Prefix) > 0)
	put("type", q.Type, q.Type != "")
	put("open", "true", q.Open)
	put("ignored", "true", q.Ignored)
	put("since", q.Since.Format(time.RFC3339Nano), !q.Since.IsZero())
	put("before", strconv.FormatUint(q.Before, 10), q.Before > 0)
	put("limit", strconv.Itoa(q.Limit), q.Limit != 0)
	return values.Encode()
}
