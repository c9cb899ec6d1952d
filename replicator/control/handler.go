package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
)

func handler(im Importer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+commandPath, func(w http.ResponseWriter, r *http.Request) { take(w, r, im) })
	mux.HandleFunc("GET "+statusPath, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, im.Status())
	})
	mux.HandleFunc("GET "+conflictsPath, func(w http.ResponseWriter, r *http.Request) { tell(w, r, im) })
	return bounded(mux)
}

// bounded refuses what comes while as many requests are answered as may be.
func bounded(h http.Handler) http.Handler {
	places := make(chan struct{}, maxAtOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			h.ServeHTTP(w, r)
		default:
			answer(w, http.StatusServiceUnavailable, refusal{Error: "too many requests at once", Try: "run the command again"})
		}
	})
}

// take hands a command to the importer.
func take(w http.ResponseWriter, r *http.Request, im Importer) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		answer(w, http.StatusRequestEntityTooLarge, refusal{Error: fmt.Sprintf("a command of more than %d bytes", maxBody)})
		return
	case err != nil:
		answer(w, http.StatusBadRequest, refusal{Error: "the command did not arrive: " + err.Error()})
		return
	}
	c, err := command.Decode(raw)
	if err != nil {
		answer(w, http.StatusBadRequest, refusal{Error: err.Error(), Try: "use the syncer of the same version as the importer"})
		return
	}
	if err := im.Command(c); err != nil {
		answer(w, http.StatusServiceUnavailable, refusal{Error: err.Error(), Try: fault.Try(err)})
		return
	}
	answer(w, http.StatusAccepted, struct {
		ID string `json:"id"`
	}{c.ID})
}

// answer writes one object. A client that went away asks again.
func answer(w http.ResponseWriter, code int, object any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(object)
}
