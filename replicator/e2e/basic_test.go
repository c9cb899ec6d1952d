package e2e

import (
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestFirstCopyAndFollow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 500 {
		if _, err := s.source.Client().Put(t.Context(), fmt.Sprintf("/flags/k%04d", i), fmt.Sprint("value ", i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.source.Client().Put(t.Context(), "/flags/private/secret", "no"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.target.Client().Put(t.Context(), "/edge/flags/stale", "goes"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.target.Client().Put(t.Context(), "/edge/flags/private/local", "stays"); err != nil {
		t.Fatal(err)
	}
	s.startExporter()
	s.startImporter()
	s.waitEqual(20 * time.Second)
	for i := range 200 {
		if _, err := s.source.Client().Txn(t.Context()).Then(
			clientv3.OpPut(fmt.Sprintf("/flags/k%04d", i), "new"),
			clientv3.OpPut(fmt.Sprintf("/apps/a%04d", i), "app"),
			clientv3.OpDelete(fmt.Sprintf("/flags/k%04d", 499-i)),
		).Commit(); err != nil {
			t.Fatal(err)
		}
	}
	s.waitEqual(20 * time.Second)
	if got := s.content(s.target.Client(), "/edge/flags/private/"); got["/edge/flags/private/local"] != "stays" {
		t.Fatalf("the excluded range was touched: %v", got)
	}
}
