package pairing

import (
	"maps"
	"strings"
	"testing"
)

func TestParseLabels(t *testing.T) {
	got, err := ParseLabels([]string{"region=eu", "tier=gold-1.2_x", "region=eu"})
	if want := map[string]string{"region": "eu", "tier": "gold-1.2_x"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for text, want := range map[string]string{
		"region":                            "has no value",
		"region=":                           "value of label region",
		"=eu":                               "name of a label",
		"region=../etc":                     `"../etc" cannot be the value`,
		"region=eu*":                        `"eu*" cannot be the value`,
		"region=a=b":                        `"a=b" cannot be the value`,
		"a/b=c":                             `"a/b" cannot be the name`,
		"region=" + strings.Repeat("x", 64): "cannot be the value",
	} {
		if _, err := ParseLabels([]string{"fine=yes", text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := ParseLabels([]string{"region=eu", "region=us"}); err == nil || !strings.Contains(err.Error(), "eu and us") {
		t.Errorf("two values: %v", err)
	}
	many := make([]string, maxLabels+1)
	for i := range many {
		many[i] = strings.Repeat("a", i+1) + "=x"
	}
	if _, err := ParseLabels(many); err == nil {
		t.Error("there is no bound")
	}
}
