package pairing

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/syncer-io/syncer/replicator/fault"
)

// maxLabels bounds the labels of one edge.
const maxLabels = 32

// labelText is what a label's name and value are made of. Policies put values
// into namespaces, names and keys, so nothing is let in that would mean
// something there.
var labelText = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)

const labelForm = "use letters, digits and inner dashes, dots and underscores, at most 63"

// ParseLabels reads labels that are written name=value. The error lists every
// one that is not valid; its class is fault.Usage.
func ParseLabels(texts []string) (map[string]string, error) {
	var labels map[string]string
	var errs []error
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		old, again := labels[name]
		switch {
		case !ok:
			errs = append(errs, fault.New(fault.Usage, "write it like --label region=eu", "label %q has no value", text))
		case again && old != value:
			errs = append(errs, fault.New(fault.Usage, "give it once", "label %s is %s and %s", name, old, value))
		default:
			if labels == nil {
				labels = map[string]string{}
			}
			labels[name] = value
		}
	}
	return labels, errors.Join(append(errs, checkLabels(labels))...)
}

func checkLabels(labels map[string]string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if !labelText.MatchString(name) {
			errs = append(errs, fault.New(fault.Usage, labelForm, "%q cannot be the name of a label", name))
		}
		if value := labels[name]; !labelText.MatchString(value) {
			errs = append(errs, fault.New(fault.Usage, labelForm, "%q cannot be the value of label %s", value, name))
		}
	}
	if len(labels) > maxLabels {
		errs = append(errs, fault.New(fault.Usage, "keep those that policies use", "%d labels are more than %d", len(labels), maxLabels))
	}
	return errors.Join(errs...)
}
