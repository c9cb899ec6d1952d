package main

import (
	"context"
	"fmt"
	"time"
)

// results are what a run measured. What was not asked for is nil.
type results struct {
	machine    machine
	options    options
	date       time.Time
	took       time.Duration
	compressed float64 // of 1
	copies     []*copies
	flat       *flat
	lags       []*lags
	far        *far
	missed     *missed
	objects    *missed
	differing  []*comeback
}

var lagRates = []int{200, 1000}

// measure runs what was asked for and gives the page about it.
func (l *lab) measure(ctx context.Context) ([]byte, error) {
	r := &results{options: l.options, date: time.Now()}
	var err error
	if r.machine, err = l.describe(ctx); err != nil {
		return nil, err
	}
	if r.compressed, err = newValues().compressed(); err != nil {
		return nil, err
	}
	for _, part := range l.parts(r) {
		if !l.only.MatchString(part.name) {
			continue
		}
		if err := part.run(ctx); err != nil {
			return nil, err
		}
	}
	r.took = time.Since(l.began)
	return r.page()
}

type part struct {
	name string
	run  func(context.Context) error
}

func (l *lab) parts(r *results) []part {
	var out []part
	for _, n := range l.keys {
		out = append(out, part{fmt.Sprint("copy-", n), func(ctx context.Context) error {
			c, err := l.firstCopy(ctx, n)
			r.copies = append(r.copies, c)
			return err
		}})
	}
	out = append(out, part{"flat-out", func(ctx context.Context) (err error) {
		r.flat, err = l.flatOut(ctx)
		return err
	}})
	for _, rate := range lagRates {
		out = append(out, part{fmt.Sprint("lag-", rate), func(ctx context.Context) error {
			g, err := l.lagAt(ctx, rate)
			r.lags = append(r.lags, g)
			return err
		}})
	}
	return append(out,
		part{"distance", func(ctx context.Context) (err error) {
			r.far, err = l.distance(ctx)
			return err
		}},
		part{"outage-missed", func(ctx context.Context) (err error) {
			r.missed, err = l.outageMissed(ctx)
			return err
		}},
		part{"outage-objects", func(ctx context.Context) (err error) {
			r.objects, err = l.outageObjects(ctx)
			return err
		}},
		part{"outage-differing", func(ctx context.Context) (err error) {
			r.differing, err = l.outageDiffers(ctx)
			return err
		}})
}
