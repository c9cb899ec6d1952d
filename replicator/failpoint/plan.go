package failpoint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// anyName stands for every name.
const anyName Name = "any"

type action string

const (
	kill  action = "kill"
	stop  action = "stop"
	sleep action = "sleep"
)

// plan is what happens at which hit of which name. The zero plan is met by
// none.
type plan struct {
	name   Name
	at     int64 // counted from 1
	action action
	pause  time.Duration // of sleep
}

func (p plan) meets(name Name) bool { return p.name != "" && (p.name == name || p.name == anyName) }

// parse reads NAME[:N[:ACTION]]. No text is no plan.
func parse(text string) (plan, error) {
	if text == "" {
		return plan{}, nil
	}
	name, rest, counted := strings.Cut(text, ":")
	p := plan{name: Name(name), at: 1, action: kill}
	if p.name != anyName && !slices.Contains(All, p.name) {
		return plan{}, fmt.Errorf("no failpoint is called %q", name)
	}
	if !counted {
		return p, nil
	}
	number, what, acts := strings.Cut(rest, ":")
	var err error
	if p.at, err = strconv.ParseInt(number, 10, 64); err != nil || p.at < 1 {
		return plan{}, fmt.Errorf("%q in %q is not the number of a hit", number, text)
	}
	if !acts {
		return p, nil
	}
	verb, pause, _ := strings.Cut(what, "=")
	p.action = action(verb)
	switch p.action {
	case kill, stop:
		return p, nil
	case sleep:
		if p.pause, err = time.ParseDuration(pause); err != nil {
			return plan{}, fmt.Errorf("how long to sleep in %q: %w", text, err)
		}
		return p, nil
	}
	return plan{}, fmt.Errorf("%q in %q is not kill, stop or sleep=DURATION", what, text)
}
