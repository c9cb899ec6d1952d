package dial

import (
	"fmt"
	"strconv"
	"strings"
)

// version is major, minor and patch of a server.
type version [3]int

// The first versions without known bugs that lose or forge what we read, by
// minor version.
var (
	floors = []version{{3, 4, 42}, {3, 5, 28}, {3, 6, 9}}
	// Below these an answer about progress goes past the events that it speaks of
	// (etcd issue 15220).
	progressFloors = []version{{3, 4, 25}, {3, 5, 8}}
	authFloors     = []version{{3, 5, 33}, {3, 6, 14}, {3, 7, 1}}
)

// parseVersion reads 3.6.9, also with a suffix such as -rc.0.
func parseVersion(s string) (version, error) {
	var v version
	core, _, _ := strings.Cut(s, "-")
	core, _, _ = strings.Cut(core, "+")
	parts := strings.Split(core, ".")
	if len(parts) != len(v) {
		return v, fmt.Errorf("version %q is not major.minor.patch", s)
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 {
			return v, fmt.Errorf("version %q is not major.minor.patch", s)
		}
		v[i] = n
	}
	return v, nil
}

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

func (v version) before(o version) bool {
	for i := range v {
		if v[i] != o[i] {
			return v[i] < o[i]
		}
	}
	return false
}

// olderThan reports whether a is a version before b. What is no version is older
// than all: it is told of.
func olderThan(a, b string) bool {
	x, xerr := parseVersion(a)
	y, yerr := parseVersion(b)
	if xerr != nil || yerr != nil {
		return xerr != nil && yerr == nil
	}
	return x.before(y)
}

// warnings names the floors that v is below.
func (v version) warnings(auth bool) []string {
	var out []string
	if floor, below := v.below(floors); below {
		out = append(out, fmt.Sprintf("etcd %s can skip watch events or answer with stale data: upgrade to %s or later", v, floor))
	}
	if floor, below := v.below(authFloors); auth && below {
		out = append(out, fmt.Sprintf("etcd %s has known bugs in its access control: upgrade to %s or later", v, floor))
	}
	return out
}

// below finds the floor of v's minor version, or the lowest floor when v is
// of an older minor version than all of them.
func (v version) below(floors []version) (version, bool) {
	for _, f := range floors {
		if v[0] == f[0] && v[1] == f[1] {
			return f, v.before(f)
		}
	}
	return floors[0], v.before(floors[0])
}
