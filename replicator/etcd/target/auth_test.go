package target

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/etcd/dial"
)

// login makes a user with access to the prefixes and connects as that user.
// With a root client it first turns access control on.
func login(t *testing.T, root *clientv3.Client, endpoint string, prefixes ...string) *clientv3.Client {
	t.Helper()
	ctx := t.Context()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	as := func(user string) *clientv3.Client {
		file := filepath.Join(t.TempDir(), "password")
		must(nil, os.WriteFile(file, []byte("secret"), 0o600))
		cli, err := dial.Dial(ctx, dial.Config{Endpoints: []string{endpoint}, Username: user, PasswordFile: file}, quiet())
		must(nil, err)
		t.Cleanup(func() { _ = cli.Close() })
		return cli
	}
	if root != nil {
		must(root.RoleAdd(ctx, "root"))
		must(root.UserAdd(ctx, "root", "secret"))
		must(root.UserGrantRole(ctx, "root", "root"))
		must(root.AuthEnable(ctx))
	}
	root = as("root")
	user := "edge" + strings.ReplaceAll(strings.Join(prefixes, ""), "/", "-")
	must(root.RoleAdd(ctx, user))
	for _, p := range prefixes {
		must(root.RoleGrantPermission(ctx, user, p, clientv3.GetPrefixRangeEnd(p), clientv3.PermissionType(clientv3.PermReadWrite)))
	}
	must(root.UserAdd(ctx, user, "secret"))
	must(root.UserGrantRole(ctx, user, user))
	return as(user)
}
