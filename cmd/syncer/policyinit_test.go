package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/strictyaml"
)

// TestStartingPoints checks the policies that people start from: as they are,
// and with every field that they only show.
func TestStartingPoints(t *testing.T) {
	field := regexp.MustCompile(`^( *)# ( *(- )?[a-zA-Z]+:.*)$`)
	for name, text := range map[string]string{"plain": plainPolicy, "kubernetes": kubernetesPolicy} {
		text = strings.Replace(text, "name: NAME", "name: a", 1)
		lines := strings.Split(text, "\n")
		shown := 0
		for i, line := range lines {
			if field.MatchString(line) && !strings.Contains(line, "  syncer ") {
				lines[i] = field.ReplaceAllString(line, "$1$2")
				shown++
			}
		}
		for _, version := range []string{text, strings.Join(lines, "\n")} {
			var r strictyaml.Report
			filter.Parse(&r, name, []byte(version), filter.DefaultCluster)
			if err := r.Err(); err != nil || shown < 4 {
				t.Errorf("%s, which shows %d fields: %v\n%s", name, shown, err, version)
			}
		}
	}
}
