package jetstream

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
)

func TestCommandRequestOfAnotherFormatIsRefused(t *testing.T) {
	handled := 0
	handler := func(CommandRequest) *ReplyError { handled++; return nil }
	for data, want := range map[string]string{
		"": "not valid", "[]": "not valid", `{"format":2}`: "format 2", "{}": "format 0", "\x00": "not valid",
	} {
		if e := takeCommand([]byte(data), handler); e == nil || !strings.Contains(e.Message, want) {
			t.Errorf("%q gives %v, want %q", data, e, want)
		}
	}
	good, err := json.Marshal(CommandRequest{Format: RPCFormat, Edge: "store-1", Command: command.New(command.Pause)})
	if err != nil {
		t.Fatal(err)
	}
	if e := takeCommand(good, handler); e != nil || handled != 1 {
		t.Errorf("a good request gives %v, and %d were handled", e, handled)
	}
}

func TestReplyToACommandHasAClass(t *testing.T) {
	for data, want := range map[string]fault.Class{
		`{"format":1,"error":{"message":"who?"}}`:               fault.Refused,
		`{"format":1,"error":{"retry":true,"message":"later"}}`: fault.Unreachable,
		`{"format":9}`: fault.Refused,
		`nonsense`:     fault.General,
		`{"format":1}`: 0,
	} {
		if err := refusedCommand("store-1", []byte(data)); fault.ExitCode(err) != int(want) {
			t.Errorf("%s gives %v with exit code %d, want %d", data, err, fault.ExitCode(err), want)
		}
	}
}
