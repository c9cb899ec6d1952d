package main

import (
	"fmt"
	"math"
	"slices"
)

// series are the figures of several rounds, or of several events.
type series []float64

func (s series) last() float64 { return s[len(s)-1] }

func (s series) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	if n == 0 {
		return math.NaN()
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// percentile is the smallest figure that p percent of all do not exceed.
func (s series) percentile(p float64) float64 {
	sorted := slices.Sorted(slices.Values(s))
	at := int(math.Ceil(p/100*float64(len(sorted)))) - 1
	return sorted[max(at, 0)]
}

// show is the median, and the range when rounds differ in what is shown.
func (s series) show(format func(float64) string) string {
	if len(s) == 0 {
		return "–"
	}
	if len(s) == 1 {
		return format(s[0])
	}
	least, most := format(slices.Min(s)), format(slices.Max(s))
	if least == most {
		return least
	}
	return fmt.Sprintf("%s (%s–%s)", format(s.median()), least, most)
}

// over is what n makes of each figure, such as a rate out of times.
func (s series) over(n float64) series {
	out := make(series, len(s))
	for i, v := range s {
		out[i] = n / v
	}
	return out
}

// against is how many times the median of another series each figure is.
func (s series) against(o series) series {
	if len(o) == 0 {
		return nil
	}
	return s.over(1).over(1 / o.median())
}

func seconds(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.2f s", v)
	}
	return fmt.Sprintf("%.1f s", v)
}

func milliseconds(v float64) string {
	if v >= 1 {
		return fmt.Sprintf("%.0f ms", v*1e3)
	}
	return fmt.Sprintf("%.1f ms", v*1e3)
}

func whole(v float64) string { return group(int64(math.Round(v))) }

// group writes thousands apart.
func group(n int64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", group(n/1000), n%1000)
}

func percent(v float64) string { return fmt.Sprintf("%.1f %%", v*100) }

func times(v float64) string { return fmt.Sprintf("%.1fx", v) }

// megabytes are 1,000,000 bytes each; nothing is "–".
func megabytes(n int64) string {
	if n == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
