package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// mirror is `etcdctl make-mirror`. The links, which may be nil, stand before
// the source or before the target.
type mirror struct {
	lab                    *lab
	bed                    *bed
	sourceLink, targetLink *testbed.Proxy
	from                   int64 // the revision to begin at; 0: copy everything first
	running                children
}

func (l *lab) mirror(b *bed) rig { return &mirror{lab: l, bed: b, running: children{}} }

func (m *mirror) prepare(context.Context) error { return nil }

func (m *mirror) start(context.Context) error {
	source, target := m.bed.source.Address(), m.bed.target.Address()
	if m.sourceLink != nil {
		source = m.sourceLink.Address()
	}
	if m.targetLink != nil {
		target = m.targetLink.Address()
	}
	args := []string{"make-mirror", "--endpoints=" + source, "--prefix=" + prefix}
	if m.from > 0 {
		// With --rev alone it takes the prefix off the keys at the target.
		args = append(args, fmt.Sprint("--rev=", m.from), "--dest-prefix="+prefix)
	}
	p, err := testbed.StartProcess(testbed.ProcessConfig{Path: m.lab.etcdctl, Args: append(args, target)})
	if err == nil {
		m.running["make-mirror"] = p
	}
	return err
}

func (m *mirror) proven(context.Context) (bool, error) { return false, nil }

func (m *mirror) usage() (usage, error) { return m.running.usage() }

func (m *mirror) stop() error {
	err := m.running.stop()
	for _, link := range []*testbed.Proxy{m.sourceLink, m.targetLink} {
		if link != nil {
			_ = link.Close() // nothing is carried any more
		}
	}
	return err
}

// mirrorVersion is what etcdctl says about itself.
func (l *lab) mirrorVersion(ctx context.Context) (string, error) {
	out, err := command(ctx, l.etcdctl, "version")
	first, _, _ := strings.Cut(string(out), "\n")
	return first, err
}
