package main

import (
	"fmt"
	"slices"
)

// The targets that the project set itself.
const (
	reachCopy     = 15.0 // times make-mirror
	reachFollowed = 0.95 // of the source's revisions, while they are written
	reachMemory   = 48e6 // bytes of the importer
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
	if len(importer) > 0 {
		row(fmt.Sprintf("importer within %s resident at its peak", megabytes(reachMemory)), series{slices.Max(importer)},
			func(v float64) string { return megabytes(int64(v)) }, func(v float64) bool { return v > 0 && v <= reachMemory })
	}
	return t.String()
}

func importerPeak(u usage) float64 { return float64(u["importer"].peak) }
