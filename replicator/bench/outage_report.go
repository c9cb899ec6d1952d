package main

import (
	"fmt"
	"slices"
)

func (v view) HasMissed() bool       { return v.r.missed != nil }
func (v view) HasObjects() bool      { return v.r.objects != nil }
func (v view) Objects() outageReport { return outageReport{v.r.objects} }
func (v view) HasDiffering() bool    { return len(v.r.differing) > 0 }
func (v view) Missed() outageReport  { return outageReport{v.r.missed} }

// outageReport gives the template what it shows of an outage.
type outageReport struct{ m *missed }

func (o outageReport) Keys() string      { return group(int64(o.m.size.keys)) }
func (o outageReport) Revisions() string { return group(int64(o.m.size.revisions)) }
func (o outageReport) Changed() string   { return group(int64(o.m.size.changed)) }
func (o outageReport) Deletes() string   { return group(int64(o.m.size.deletes)) }
func (o outageReport) RoundTrip() string { return farAway.rtt.String() }
func (o outageReport) Loss() string      { return fmt.Sprintf("%.0f %%", farAway.loss*100) }
func (o outageReport) Bound() string     { return fmt.Sprintf("%.0f kB/s", farAway.lossBound()/1e3) }

// Raw and Smallest are the bytes of what was wrong.
func (o outageReport) Raw() string      { return sized(float64(o.measured().raw)) }
func (o outageReport) Smallest() string { return sized(float64(o.measured().smallest)) }

// measured is a way back that was taken: what was wrong is the same for all.
func (o outageReport) measured() *comeback {
	for _, c := range o.m.near {
		if c.missing > 0 {
			return c
		}
	}
	return &comeback{}
}

// Stopped is what make-mirror says when the history that it needs is gone.
func (o outageReport) Stopped() string {
	for _, c := range o.m.near {
		if c.stopped != "" {
			return c.stopped
		}
	}
	return ""
}

func (o outageReport) Near() string {
	t := newTable("history", "tool", "every key right after", "to the edge", "from the edge", "keys wrong at the end", "proven equal after")
	for _, c := range o.m.near {
		t.add(c.history, c.name, c.rightAfter(), c.down.show(sized), c.up.show(sized), c.wrongKeys(), c.proof.show(seconds))
	}
	return t.String()
}

func (o outageReport) Far() string {
	t := newTable("history", "tool", "every key right after", "to the edge", "from the edge", "keys wrong at the end", "its bytes at "+o.Bound())
	for _, c := range o.m.far {
		alone := c.down.over(1).over(1 / farAway.lossBound())
		t.add(c.history, c.name, c.rightAfter(), c.down.show(sized), c.up.show(sized), c.wrongKeys(), alone.show(duration))
	}
	return t.String()
}

func (v view) DifferingKeys() string { return group(int64(v.r.options.differing.keys)) }

func (v view) Differing() string {
	t := newTable("keys that differ", "tool", "every key right after", "to the edge", "from the edge", "their keys and values, compressed alone", "keys wrong at the end", "proven equal after")
	for _, c := range v.r.differing {
		t.add(c.differ(), c.name, c.rightAfter(), c.down.show(sized), c.up.show(sized), sized(float64(c.smallest)), c.wrongKeys(), c.proof.show(seconds))
	}
	return t.String()
}

// differ is how many keys were wrong; nothing when that was not looked at.
func (c *comeback) differ() string {
	if c.missing == 0 {
		return "–"
	}
	return group(int64(c.missing))
}

func usages(all []*comeback) []usage {
	var out []usage
	for _, c := range all {
		out = append(out, c.usage)
	}
	return out
}

func (c *comeback) rightAfter() string {
	if c.stopped != "" {
		return "stops with an error"
	}
	if !c.deletes && len(c.wrong) > 0 && slices.Max(c.wrong) > 0 {
		return c.took.show(seconds) + ", but for deletes"
	}
	return c.took.show(seconds)
}

func (c *comeback) wrongKeys() string {
	if c.stopped != "" {
		return group(int64(c.missing))
	}
	return c.wrong.show(whole)
}

// sized is bytes as people read them.
func sized(v float64) string {
	switch {
	case v >= 100<<20:
		return fmt.Sprintf("%.0f MiB", v/(1<<20))
	case v >= 1<<20:
		return fmt.Sprintf("%.2f MiB", v/(1<<20))
	case v >= 1<<10:
		return fmt.Sprintf("%.1f KiB", v/(1<<10))
	}
	return fmt.Sprintf("%.0f B", v)
}

// duration is a time that may be long.
func duration(s float64) string {
	if s >= 120 {
		return fmt.Sprintf("%.0f min", s/60)
	}
	return seconds(s)
}
