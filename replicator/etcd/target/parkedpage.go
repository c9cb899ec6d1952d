package target

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

// ParkedFormat is the format of parked groups that this version reads and
// writes.
const ParkedFormat = 1

const (
	mostParkedPage = 256 << 10 // bytes of a page
	groupHeadRoom  = 32 << 10  // of them for what the group says of itself
	mostReason     = 4 << 10
	mostPages      = 1_000_000 // page numbers have six digits
)

// page is a part of a group as stored: JSON, compressed. Page 0 is written
// last and tells of the group.
type page struct {
	Format int         `json:"format"`
	Group  *groupHead  `json:"group,omitempty"`
	Keys   []storedKey `json:"keys"`
}

type groupHead struct {
	Why      string    `json:"why"`
	Rule     string    `json:"rule,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Try      string    `json:"try,omitempty"`
	Terms    string    `json:"terms,omitempty"`
	Revision int64     `json:"revision"`
	Of       uint64    `json:"of,omitempty"`
	Since    time.Time `json:"since"`
	Dropped  bool      `json:"dropped,omitempty"`
	Pages    int       `json:"pages"`
	Keys     int       `json:"keys"` // of all pages
}

type storedKey struct {
	Key     []byte `json:"key"`
	Sum     Hash   `json:"sum,omitempty"` // of a put; a delete has none
	Present bool   `json:"present,omitempty"`
	Size    uint64 `json:"size,omitempty"`
}

// pageKey names a page: ID of the group, the writing that it belongs to, and
// its number. Each call of Park is another writing.
type pageKey struct {
	key     []byte
	id      string
	writing string
	page    int
}

var (
	groupID     = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
	pageKeyForm = regexp.MustCompile(`^([A-Za-z0-9._-]{1,128})/([A-Z2-7]{1,64})-([0-9]{6})$`)
)

// pageName is what follows the prefix of the channel.
func pageName(id, writing string, page int) []byte {
	return fmt.Appendf(nil, "%s/%s-%06d", id, writing, page)
}

func parsePageKey(prefix string, key []byte) (pageKey, error) {
	m := pageKeyForm.FindStringSubmatch(strings.TrimPrefix(string(key), prefix))
	if m == nil {
		return pageKey{}, damagedGroup(string(key), string(key), fmt.Errorf("this is no key of a parked group"))
	}
	n, err := strconv.Atoi(m[3])
	return pageKey{key: key, id: m[1], writing: m[2], page: n}, err
}

// damagedGroup names the key that is wrong, and what to delete.
func damagedGroup(key, prefix string, err error) error {
	return fault.New(fault.Safety, fmt.Sprintf("if nobody can say why it was edited: etcdctl del --prefix '%s'; its keys are then compared and repaired", prefix),
		"the parked group at %s is not readable: %w", key, err)
}

// pages are the puts that store the group, page 0 first.
func (t *Target) pages(g Parked) ([]change.Change, error) {
	if !groupID.MatchString(g.ID) {
		return nil, fmt.Errorf("an ID is 1 to 128 letters, digits, dots, underscores and hyphens")
	}
	parts := cutKeys(g.Keys, min(mostParkedPage, t.limits.MaxBytes/2)-groupHeadRoom)
	if len(parts) > mostPages {
		return nil, fmt.Errorf("%d keys need %d pages, at most %d", len(g.Keys), len(parts), mostPages)
	}
	writing := rand.Text()
	out := make([]change.Change, len(parts))
	for i, keys := range parts {
		p := page{Format: ParkedFormat, Keys: keys}
		if i == 0 {
			p.Group = g.head(len(parts))
		}
		value, err := p.encode()
		if err != nil {
			return nil, err
		}
		out[i] = change.Change{Op: change.Put, Key: append([]byte(t.parkedPrefix()), pageName(g.ID, writing, i)...), Value: value}
	}
	return out, nil
}

func (g Parked) head(pages int) *groupHead {
	return &groupHead{
		Why: g.Why, Rule: g.Rule, Reason: cut(g.Reason), Try: cut(g.Try), Terms: g.Terms, Revision: g.Revision, Of: g.Of,
		Since: g.Since.UTC(), Dropped: g.Dropped, Pages: pages, Keys: len(g.Keys),
	}
}

// cut shortens a reason, not within a letter.
func cut(reason string) string {
	return strings.ToValidUTF8(reason[:min(len(reason), mostReason)], "")
}

// cutKeys cuts the keys into pages of at most room bytes; there is always one.
func cutKeys(keys []ParkedKey, room int) [][]storedKey {
	pages := [][]storedKey{{}}
	size := 0
	for _, k := range keys {
		s := storedKey{Key: k.Key, Present: k.Present, Size: k.Size}
		if k.Put {
			s.Sum = k.Sum[:]
		}
		n := s.size()
		if last := len(pages) - 1; size+n > room && len(pages[last]) > 0 {
			pages, size = append(pages, nil), 0
		}
		pages[len(pages)-1] = append(pages[len(pages)-1], s)
		size += n
	}
	return pages
}

// size bounds what the key takes on a page: names, a sum and a number in
// digits, and the key in base64.
func (k storedKey) size() int { return 140 + (len(k.Key)+2)/3*4 }

func (p page) encode() ([]byte, error) {
	raw, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode a page: %w", err)
	}
	return change.Compress(raw)
}

// decodePage reads a page that is well-formed in itself.
func decodePage(value []byte) (page, error) {
	raw, err := change.Decompress(value)
	if err != nil {
		return page{}, err
	}
	var form struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(raw, &form); err != nil {
		return page{}, fmt.Errorf("decode a page: %w", err)
	}
	if form.Format != ParkedFormat {
		return page{}, fault.New(fault.Safety, "run the version of syncer that wrote it, or a later one",
			"it has format %d, and this version knows only %d", form.Format, ParkedFormat)
	}
	var p page
	if err := json.Unmarshal(raw, &p); err != nil {
		return page{}, fmt.Errorf("decode a page: %w", err)
	}
	if g := p.Group; g != nil && (g.Revision < 0 || g.Pages < 1 || g.Pages > mostPages || g.Keys < 0) {
		return page{}, fmt.Errorf("its revision is %d, it has %d pages and %d keys", g.Revision, g.Pages, g.Keys)
	}
	for _, k := range p.Keys {
		if n := len(k.Sum); n != 0 && n != len(ParkedKey{}.Sum) {
			return page{}, fmt.Errorf("key %q has a sum of %d bytes", k.Key, n)
		}
	}
	return p, nil
}

func (p page) keys() []ParkedKey {
	out := make([]ParkedKey, len(p.Keys))
	for i, k := range p.Keys {
		out[i] = ParkedKey{Key: k.Key, Put: len(k.Sum) != 0, Present: k.Present, Size: k.Size}
		copy(out[i].Sum[:], k.Sum)
	}
	return out
}
