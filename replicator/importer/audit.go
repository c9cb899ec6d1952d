package importer

import (
	"context"
	"time"
)

// auditShare bounds what audits cost: the pause after one is so many times
// what it took.
const auditShare = 50

// auditor remembers what was written since the target was last looked through,
// so that what somebody else wrote stands out.
type auditor struct {
	since int64 // everything at or below it was looked at
	own   map[int64]struct{}
	keys  int       // about how many were written at those revisions
	pause time.Time // no audit before it
}

func (d *auditor) wrote(revision int64, keys int) {
	d.keys += keys
	if d.own == nil {
		d.own = make(map[int64]struct{})
	}
	d.own[revision] = struct{}{}
}

// read notes that all of the target was read at a revision.
func (d *auditor) read(revision int64) {
	d.since, d.keys = revision, 0
	for r := range d.own {
		if r <= revision {
			delete(d.own, r)
		}
	}
}

func (d *auditor) ours(revision int64) bool {
	_, ok := d.own[revision]
	return ok
}

// audit looks for local writes in the selection while no watch tells of them.
// What it finds makes the next comparison read the target itself.
func (a *applier) audit(ctx context.Context) error {
	if a.sight != nil || !a.cursor.Consistent || time.Now().Before(a.auditor.pause) {
		return nil
	}
	began := time.Now()
	foreign, err := a.foreign(ctx)
	a.auditor.pause = time.Now().Add(auditShare * time.Since(began))
	if err != nil || !foreign {
		return err
	}
	a.im.view.mismatched()
	if err := a.setConsistent(ctx, false); err != nil {
		return err
	}
	a.postpone()
	a.comparison.begin("somebody else wrote to the selection at the target")
	a.forgetTable()
	return nil
}

// foreign reports whether somebody else wrote to the selection since the target
// was last looked through.
func (a *applier) foreign(ctx context.Context) (foreign bool, err error) {
	if err := a.barrier(ctx); err != nil {
		return false, err
	}
	if a.sight != nil {
		return false, a.noticeUpTo(ctx, a.modRev)
	}
	err = a.patiently(ctx, func() error {
		found, err := a.target.Audit(ctx, a.ranges, a.auditor.since, a.auditor.keys, a.auditor.ours)
		if err != nil {
			return err
		}
		held := uint64(int(a.table.Digest().Count) + a.parked.surplus(a.selects))
		foreign = found.Foreign != nil || found.Count != held
		if foreign {
			a.im.logger.Warn("somebody else wrote to the selection at the target",
				"key", string(found.Foreign), "keys", found.Count, "want", held)
		} else {
			a.auditor.read(found.Revision)
		}
		return nil
	})
	return foreign, err
}
