package main

import (
	"fmt"
	"slices"
	"strings"
)

// The targets that the project set itself.
const (
	reachCopy     = 15.0 // times make-mirror
	reachFollowed = 0.95 // of the source's revisions, while they are written
	reachMemory   = 48e6 // bytes of the importer
	reachBack     = 1.5  // seconds from the importer's start to the last key
	reachWire     = 2 << 20
)

// Reach holds the medians against the targets.
func (v view) Reach() string {
	t := newTable("target", "measured", "")
	row := func(target string, measured series, format func(float64) string, met func(float64) bool) {
		verdict := "**not met**"
		switch {
		case len(measured) == 0:
			verdict = "not measured"
		case met(measured.median()):
			verdict = "met"
		}
		t.add(target, measured.show(format), verdict)
	}
	var importer series
	for _, c := range v.r.copies {
		row(fmt.Sprintf("first copy of %s keys at least %.0fx make-mirror", group(int64(c.keys)), reachCopy),
			c.warm.took.over(1).against(c.mirror.took.over(1)), times, func(v float64) bool { return v >= reachCopy })
		importer = append(importer, importerPeak(c.warm.usage), importerPeak(c.cold.usage))
	}
	if f := v.r.flat; f != nil {
		row(fmt.Sprintf("at least %.0f %% of a source written flat out followed", reachFollowed*100),
			f.syncer.share, percent, func(v float64) bool { return v >= reachFollowed })
		importer = append(importer, importerPeak(f.syncer.usage))
	}
	if m := v.r.missed; m != nil {
		back := "back after " + group(int64(m.size.revisions)) + " missed revisions, "
		for _, c := range m.near {
			if len(c.took) > 0 {
				importer = append(importer, importerPeak(c.usage))
			}
			if c.name != syncerStarts().name {
				continue
			}
			row(back+"history "+c.history+", within "+seconds(reachBack), c.took, seconds, func(v float64) bool { return v <= reachBack })
			row(back+"history "+c.history+", within "+sized(reachWire)+" on the link", c.onTheLink(), sized, func(v float64) bool { return v <= reachWire })
		}
		row("back after any outage, no key wrong in any round", v.syncerWrong(), whole, func(v float64) bool { return v == 0 })
	}
	if m := v.r.objects; m != nil {
		for _, c := range m.near {
			row("the same with objects as values, history "+c.history+", within "+sized(reachWire)+" on the link", c.onTheLink(), sized, func(v float64) bool { return v <= reachWire })
		}
	}
	if len(importer) > 0 {
		row(fmt.Sprintf("importer within %s resident at its peak", megabytes(reachMemory)), series{slices.Max(importer)},
			func(v float64) string { return megabytes(int64(v)) }, func(v float64) bool { return v > 0 && v <= reachMemory })
	}
	return t.String()
}

func importerPeak(u usage) float64 { return float64(u["importer"].peak) }

// onTheLink are the bytes of both directions.
func (c *comeback) onTheLink() series {
	out := slices.Clone(c.down)
	for i := range out {
		out[i] += c.up[i]
	}
	return out
}

// syncerWrong is the most keys that any return of syncer left wrong.
func (v view) syncerWrong() series {
	var out series
	for _, c := range slices.Concat(v.r.missed.near, v.r.missed.far, v.r.differing) {
		if strings.HasPrefix(c.name, "syncer") && len(c.wrong) > 0 {
			out = append(out, slices.Max(c.wrong))
		}
	}
	if len(out) == 0 {
		return nil
	}
	return series{slices.Max(out)}
}
