package strictyaml

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// Bytes is a size. It is written as a whole number with a unit, like 64MiB or
// 1GB; a bare number is not accepted.
type Bytes int64

// The units of sizes.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
	TiB Bytes = 1 << 40
)

var bytesText = regexp.MustCompile(`^([0-9]+) ?(B|KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB)$`)

// ParseBytes reads a size.
func ParseBytes(s string) (Bytes, error) {
	m := bytesText.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is not a size like 64MiB", s)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	unit := int64(unitOf(m[2]))
	if err != nil || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("%q is too large a size", s)
	}
	return Bytes(n * unit), nil
}

func unitOf(s string) Bytes {
	switch s {
	case "KiB":
		return KiB
	case "MiB":
		return MiB
	case "GiB":
		return GiB
	case "TiB":
		return TiB
	case "kB", "KB":
		return 1e3
	case "MB":
		return 1e6
	case "GB":
		return 1e9
	case "TB":
		return 1e12
	default:
		return 1
	}
}

// String writes the size with the largest binary unit that fits exactly.
func (b Bytes) String() string {
	for _, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if u := unitOf(unit); b >= u && b%u == 0 {
			return strconv.FormatInt(int64(b/u), 10) + unit
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}
