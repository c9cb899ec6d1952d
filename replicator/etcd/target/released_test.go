package target

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
)

func putOf(key, value string) change.Change {
	return change.Change{Op: change.Put, Key: []byte(key), Value: []byte(value)}
}

func deleteOf(key string) change.Change {
	return change.Change{Op: change.Delete, Key: []byte(key)}
}

func releaseOf(key string) change.Change {
	return change.Change{Op: change.Put, Key: []byte(key), Value: change.Released}
}

// raw is what the etcd holds below a prefix, key by key.
func (b *bench) raw(prefix string) map[string]string {
	b.t.Helper()
	resp, err := b.cli.Get(b.t.Context(), prefix, clientv3.WithPrefix())
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]string{}
	for _, kv := range resp.Kvs {
		out[string(kv.Key)] = string(kv.Value)
	}
	return out
}

// seen is what the target says that it holds in a range.
func (b *bench) seen(r change.Range) (out []string) {
	b.t.Helper()
	_, err := b.Scan(b.t.Context(), []change.Range{r}, func(kvs []change.KV) error {
		for _, kv := range kvs {
			value := string(kv.Value)
			if change.IsReleased(kv.Value) {
				value = "released"
			}
			out = append(out, string(kv.Key)+"="+value)
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *bench) edit(key, value string) {
	b.t.Helper()
	if _, err := b.cli.Put(b.t.Context(), key, value); err != nil {
		b.t.Fatal(err)
	}
}

func equalTo[M ~map[string]string](t *testing.T, what string, got, want M) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

const mark = "/syncer/released/cloud/shop/"

// A released key stays as it is, and counts as released, until something else
// is written to it.
func TestReleasedKeyStays(t *testing.T) {
	b := newBench(t)
	all := change.PrefixRange([]byte("/a/"))
	b.commit(1, putOf("/a/1", "one"), putOf("/a/2", "two"), putOf("/a/3", "three"))
	rev := b.commit(2, releaseOf("/a/2"), releaseOf("/a/4"), putOf("/a/3", "new"))
	equalTo(t, "keys", b.raw("/a/"), map[string]string{"/a/1": "one", "/a/2": "two", "/a/3": "new"})
	equalTo(t, "markers", b.raw(mark), map[string]string{mark + "/a/2": "", mark + "/a/4": ""})
	if resp, err := b.cli.Get(t.Context(), mark+"/a/2"); err != nil || resp.Kvs[0].ModRevision != rev {
		t.Errorf("the marker is not of the revision of the changes: %v, %v", resp, err)
	}
	want := []string{"/a/1=one", "/a/2=released", "/a/3=new", "/a/4=released"}
	if got := b.seen(all); !slices.Equal(got, want) {
		t.Errorf("seen %v, want %v", got, want)
	}
	b.edit("/a/2", "edited")
	b.edit("/a/4", "made here")
	if got := b.seen(all); !slices.Equal(got, want) {
		t.Errorf("after edits: seen %v, want %v", got, want)
	}
	if got, want := b.seen(change.Range{Lo: []byte("/a/2"), Hi: []byte("/a/3")}), want[1:2]; !slices.Equal(got, want) {
		t.Errorf("seen %v of a part, want %v", got, want)
	}
	b.commit(3, putOf("/a/2", "back"), deleteOf("/a/4"), deleteOf("/a/1"))
	equalTo(t, "keys", b.raw("/a/"), map[string]string{"/a/2": "back", "/a/3": "new"})
	equalTo(t, "markers", b.raw(mark), map[string]string{})
}

// Whoever starts anew knows of the markers that are there.
func TestMarkersAreFoundAgain(t *testing.T) {
	b := newBench(t)
	b.commit(1, putOf("/a/1", "one"), releaseOf("/a/1"+"/x"))
	second := benchOn(t, b.url, "another")
	second.commit(2, putOf("/a/1/x", "taken over"))
	equalTo(t, "markers", second.raw(mark), map[string]string{})
	equalTo(t, "keys", second.raw("/a/"), map[string]string{"/a/1": "one", "/a/1/x": "taken over"})
}

// The audit takes edits of released keys for nothing, and other edits for what
// they are.
func TestAuditLeavesReleasedKeysAlone(t *testing.T) {
	b := newBench(t)
	all := []change.Range{change.PrefixRange([]byte("/a/"))}
	b.commit(1, putOf("/a/1", "one"), putOf("/a/2", "two"))
	rev := b.commit(2, releaseOf("/a/2"), releaseOf("/a/3"))
	audit := func() Audit {
		a, err := b.Audit(t.Context(), all, rev, 0, func(int64) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, step := range []func(){
		func() {},
		func() { b.edit("/a/2", "edited") },
		func() { b.edit("/a/3", "made here") },
		func() {
			if _, err := b.cli.Delete(t.Context(), "/a/2"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		step()
		if a := audit(); a.Count != 3 || a.Foreign != nil {
			t.Errorf("counts %d, foreign %q", a.Count, a.Foreign)
		}
	}
	b.edit("/a/1", "edited")
	if a := audit(); a.Count != 3 || string(a.Foreign) != "/a/1" {
		t.Errorf("counts %d, foreign %q", a.Count, a.Foreign)
	}
}

// A chunk is compared with released keys as what they are.
func TestReplaceWithReleasedKeys(t *testing.T) {
	b := newBench(t)
	b.commit(1, putOf("/a/1", "one"), putOf("/a/2", "two"), putOf("/a/3", "three"))
	b.commit(2, releaseOf("/a/1"), releaseOf("/a/2"), releaseOf("/a/3"))
	done, err := b.Replace(t.Context(), Chunk{Range: change.PrefixRange([]byte("/a/")), Want: []change.KV{
		{Key: []byte("/a/1"), Value: change.Released},
		{Key: []byte("/a/2"), Value: []byte("two")},
		{Key: []byte("/a/4"), Value: change.Released},
	}})
	if err != nil || done.Unchanged != 1 || len(done.Put) != 2 || len(done.Deleted) != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	equalTo(t, "keys", b.raw("/a/"), map[string]string{"/a/1": "one", "/a/2": "two"})
	equalTo(t, "markers", b.raw(mark), map[string]string{mark + "/a/1": "", mark + "/a/4": ""})
}

func TestDisownLeavesTheKeys(t *testing.T) {
	b := newBench(t)
	b.commit(1, putOf("/a/1", "one"), putOf("/b/1", "one"))
	b.commit(2, releaseOf("/a/1"), releaseOf("/b/1"))
	if err := b.Disown(t.Context(), []change.Range{change.PrefixRange([]byte("/a/"))}); err != nil {
		t.Fatal(err)
	}
	equalTo(t, "markers", b.raw(mark), map[string]string{mark + "/b/1": ""})
	equalTo(t, "keys", b.raw("/a/"), map[string]string{"/a/1": "one"})
}

// Many markers, with and without their keys, in more pages than one.
func TestManyReleasedKeys(t *testing.T) {
	b := newBench(t)
	const n = 25_000
	var puts, release []change.Change
	for i := range n {
		key := fmt.Sprintf("/a/%05d", i)
		if i%2 == 0 {
			puts = append(puts, putOf(key, "v"))
		}
		if i%3 == 0 {
			release = append(release, releaseOf(key))
		}
	}
	for _, changes := range [][]change.Change{puts, release} {
		for _, part := range b.Split(changes) {
			if _, err := b.Commit(t.Context(), Tx{Changes: part}); err != nil {
				t.Fatal(err)
			}
		}
	}
	keys, released := 0, 0
	_, err := b.Scan(t.Context(), []change.Range{{}}, func(kvs []change.KV) error {
		for _, kv := range kvs {
			if kv.Key[1] != 'a' {
				continue
			}
			keys++
			if change.IsReleased(kv.Value) {
				released++
			}
		}
		return nil
	})
	if want := (n+2)/3 + n/2 - (n+5)/6; err != nil || released != (n+2)/3 || keys != want {
		t.Errorf("%d keys of %d, %d released of %d, %v", keys, want, released, (n+2)/3, err)
	}
	a, err := b.Audit(t.Context(), []change.Range{change.PrefixRange([]byte("/a/"))}, 0, 0, func(int64) bool { return true })
	if err != nil || a.Count != uint64(keys) {
		t.Errorf("the audit counts %d of %d, %v", a.Count, keys, err)
	}
}

// Deletes are drawn together around markers as around any other key.
func TestReleasedKeysAreDeletedAtOnce(t *testing.T) {
	b := newBench(t)
	var all, release, deletes []change.Change
	for i := range 15_000 {
		key := fmt.Sprintf("/a/%05d", i)
		all, deletes = append(all, putOf(key, "v")), append(deletes, deleteOf(key))
		if i%100 == 0 {
			release = append(release, releaseOf(key))
		}
	}
	for _, part := range b.Split(all) {
		if _, err := b.Commit(t.Context(), Tx{Changes: part}); err != nil {
			t.Fatal(err)
		}
	}
	b.commit(2, append(release, putOf("/b", "stays"), releaseOf("/c"))...)
	b.commit(3, deletes...)
	equalTo(t, "keys", b.raw("/a/"), map[string]string{})
	equalTo(t, "others", b.raw("/b"), map[string]string{"/b": "stays"})
	equalTo(t, "markers", b.raw(mark), map[string]string{mark + "/c": ""})
}

// Whatever is not refused can be committed also while there are markers, which
// make a transaction larger.
func TestRefusedAgreesWithCommitOfReleasedKeys(t *testing.T) {
	b := benchOn(t, startEtcd(t, func(c *embed.Config) { c.MaxRequestBytes = 256 << 10 }), "importer")
	b.commit(1, releaseOf("/other"))
	refused := 0
	for n := 256<<10 - 1200; n <= 256<<10; n += 40 {
		c := sized("/big", n)
		_, err := b.Commit(t.Context(), Tx{Changes: []change.Change{c}, Cursor: &Cursor{Revision: 7, Chain: make([]byte, 32), Torn: 1 << 60}})
		r, rerr := b.Refused(t.Context(), []change.Change{c})
		if rerr != nil {
			t.Fatal(rerr)
		}
		refused += len(r)
		if err != nil && len(r) == 0 {
			t.Errorf("%d bytes are not refused, and the commit gives %v", n, err)
		}
	}
	if refused == 0 || refused > 30 {
		t.Errorf("%d sizes of 31 are refused", refused)
	}
}

// A user who may not write markers is refused the release of a key, under the
// name of the key.
func TestRefusedMarker(t *testing.T) {
	endpoint := startEtcd(t)
	edge := login(t, connect(t, endpoint), endpoint, "/app/", Prefix+"cursor/", Prefix+"probe")
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := dial.Dial(t.Context(), dial.Config{Endpoints: []string{endpoint}, Username: "root", PasswordFile: password}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	role := "edge-app--syncer-cursor--syncer-probe"
	if _, err := root.RoleGrantPermission(t.Context(), role, Prefix, clientv3.GetPrefixRangeEnd(Prefix), clientv3.PermissionType(clientv3.PermRead)); err != nil {
		t.Fatal(err)
	}
	b := &bench{Target: open(t, edge), t: t, cli: edge, url: endpoint}
	b.claim("edge")
	b.commit(1, putOf("/app/a", "v"), putOf("/app/b", "v"))
	release := []change.Change{releaseOf("/app/a")}
	if _, err := b.Commit(t.Context(), Tx{Changes: release, Cursor: &Cursor{Revision: 2}}); !errors.Is(err, ErrForbidden) {
		t.Errorf("the commit gives %v", err)
	}
	wantRefused(t, b.Target, append(release, putOf("/app/b", "w")), "forbidden /app/a")
	b.commit(2, putOf("/app/b", "w"))
}
