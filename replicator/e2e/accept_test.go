package e2e

import (
	"strings"
	"testing"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/status"
)

const secretValue = `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","namespace":"shop","uid":"u"},"data":{"a":"Yg=="}}`

// turnedAway is an edge that says that so many keys are not accepted, and which
// line changes that.
func turnedAway(keys int, line string) func(status.Edge) bool {
	return func(e status.Edge) bool {
		return e.State == status.Degraded && e.ParkedKeys == keys && e.Parked[0].Why == status.NotAccepted && strings.Contains(e.Try, line)
	}
}

// What edge.yaml does not accept is never written, in the first copy or later:
// it waits, the edge says which line to add, and everything else goes on. Once
// it is accepted it lands.
func TestAcceptList(t *testing.T) {
	t.Parallel()
	s := newSite(t, withPolicy(guardedPolicy))
	s.put("/apps/first", secretValue)
	s.put("/apps/plain", "1")
	s.startExporter()
	stopImporter := s.startImporter()
	s.report("is degraded after the first copy", turnedAway(1, "secrets: true"))
	s.put("/flags/secret", secretValue)
	s.put("/apps/later", "1")
	e := s.report("is degraded", turnedAway(2, "secrets: true"))
	if !strings.Contains(e.Reason, "Secrets") || !strings.Contains(e.Reason, "/apps/first") {
		t.Errorf("the reason does not help: %q", e.Reason)
	}
	s.until("the other change is there", func() bool { return s.held("/apps/later") == 1 })
	s.withoutSecrets()

	stopImporter()
	mark := s.reports.mark()
	stopImporter = s.startImporter()
	s.reportSince(mark, "says so after a restart", turnedAway(2, "secrets: true"))
	s.withoutSecrets()
	if task := s.order(about(command.Retry, e.Parked[0].ID)); task.State != command.Failed || !strings.Contains(task.Try, "secrets: true") {
		t.Errorf("the command to try again ended as %+v", task)
	}

	s.put("/apps/gone", secretValue)
	s.report("has a third", turnedAway(3, "secrets: true"))
	if _, err := s.source.Client().Delete(t.Context(), "/apps/gone"); err != nil {
		t.Fatal(err)
	}
	s.report("has two again", turnedAway(2, "secrets: true"))

	stopImporter()
	mark = s.reports.mark()
	s.edge.Accept = config.Accept{Secrets: true}
	s.startImporter()
	s.reportSince(mark, "is in sync", in(status.InSync))
	s.waitEqual(patience)
}

func (s *site) withoutSecrets() {
	s.t.Helper()
	for key, value := range s.have() {
		if strings.Contains(value, "Secret") {
			s.t.Errorf("%q was written", key)
		}
	}
}

// Lists of prefixes, resources and namespaces hold back what is not in them, and
// deletes of what is there. What came with it at one revision waits with it.
func TestAcceptListsHoldBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, withPolicy(syncedPolicy+"    - name: apps\n      prefix: /apps/\n"))
	s.edge.Accept = config.Accept{Prefixes: []string{"/kubernetes/", "/apps/mine/"}, Resources: []string{"secrets"}}
	s.edge.Accept.Secrets = true
	s.putTarget("/apps/own", "of the edge")
	s.putConfigMap("app", "true")
	s.put("/apps/mine/a", "1")
	s.startExporter()
	stopImporter := s.startImporter()
	s.report("holds back an object and a delete", func(e status.Edge) bool { return e.State == status.Degraded && e.ParkedKeys == 2 })
	s.txn(map[string]string{"/apps/other": "1", "/apps/mine/b": "1"})
	s.report("holds back a transaction", func(e status.Edge) bool { return e.State == status.Degraded && e.ParkedKeys == 4 })
	if got := s.content(s.target.Client(), "/apps/"); len(got) != 2 || got["/apps/own"] != "of the edge" || len(s.objects()) != 0 {
		t.Errorf("the edge holds %v and %v", got, s.objects())
	}
	stopImporter()
	mark := s.reports.mark()
	s.edge.Accept = config.Accept{}
	s.startImporter()
	s.reportSince(mark, "is in sync", func(e status.Edge) bool { return e.State == status.InSync && e.Keys == 4 })
	if got := s.content(s.target.Client(), "/apps/"); len(got) != 3 || len(s.objects()) != 1 {
		t.Errorf("the edge holds %v and %v", got, s.objects())
	}
}
