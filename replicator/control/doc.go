// Package control lets an operator at the edge speak with the importer that
// runs there: HTTP over a Unix socket in the importer's data directory, which
// only the importer's own user may open.
//
//	POST /v1/command  a command.Command; 202 once the importer has taken it
//	GET  /v1/status   the importer's report as of now, a status.Edge
//	GET  /v1/conflicts?prefix=/a/&open=true   conflicts on record, a Conflicts
//
// What the importer does with a command is told in its report. A refusal is an
// object {"error", "try"} with a status of 4xx, or of 503 when it may be taken
// later.
package control

import (
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/status"
)

// Importer is whom the socket speaks for. Both methods may be called at any
// time, also at the same time.
type Importer interface {
	// Command takes a command, or says why it does not take it now.
	Command(command.Command) error
	// Status is the report as of now.
	Status() status.Edge
}

const (
	commandPath = "/v1/command"
	statusPath  = "/v1/status"
)

// refusal is the body of an answer that is not a success.
type refusal struct {
	Error string `json:"error"`
	Try   string `json:"try,omitempty"`
}
