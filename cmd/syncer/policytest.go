package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

type policyTestOptions struct {
	policyChoice
	update bool
	out    output
}

func newPolicyTest() *cobra.Command {
	var o policyTestOptions
	cmd := &cobra.Command{
		Use:   "test -f FILE DIR",
		Short: "Check what a policy does against a folder of cases",
		Long: `Check what a policy makes of a folder of cases. Each case is a folder below DIR:

  object.yaml    the object, as kubectl get -o yaml prints it; or object.json;
                 or value, the bytes as etcd holds them
  expected.yaml  what comes of it
  case.yaml      optional: key, for a value or a custom resource, and edge, the
                 {name, labels} to fill the policy in for

With --update the expectations are written: read them, then keep them beside the
policy. expected.yaml holds

  verdict  selected, left, refused or outside
  rule     the rule that decided
  key      the delivered key
  object   what is delivered; value or bytes when it is not JSON
  orphan   true when edges keep what is left
  reason   a part of the reason; when it is missing, any will do

Exit code: 0 when every case comes out as expected, 3 when one does not, 2 when
the policy or a case cannot be read.`,
		Example: `  syncer policy test -f store.yaml cases
  syncer policy test -f store.yaml cases --update`,
		Args: wants(0, "a folder of cases"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	cmd.Flags().BoolVar(&o.update, "update", false, "write what comes out as what is expected")
	o.addFlags(cmd)
	o.out.addFlags(cmd)
	return cmd
}

// policyTestView is the result for programs.
type policyTestView struct {
	Kind
	Passed int              `json:"passed"`
	Failed int              `json:"failed"`
	Cases  []policyCaseView `json:"cases"`
}

type policyCaseView struct {
	Name    string `json:"name"`
	Passed  bool   `json:"passed"`
	Updated bool   `json:"updated,omitempty"`
	Diff    string `json:"diff,omitempty"`
}

func (o *policyTestOptions) run(cmd *cobra.Command, dir string) error {
	c, err := o.cluster.cluster()
	if err != nil {
		return err
	}
	p, err := o.load(cmd, c)
	if err != nil {
		return err
	}
	cases, err := readCases(dir, c)
	if err != nil {
		return err
	}
	v := policyTestView{Kind: kind("PolicyTest"), Cases: []policyCaseView{}}
	for _, one := range cases {
		result, err := o.judge(p, c, one)
		if err != nil {
			return err
		}
		if v.Cases = append(v.Cases, result); result.Passed {
			v.Passed++
		} else {
			v.Failed++
		}
	}
	if err := o.out.print(cmd.OutOrStdout(), v, v.draw, v.failures()...); err != nil {
		return err
	}
	if v.Failed > 0 {
		return fault.New(fault.Check, "correct the policy; or accept what it does with --update", "%s of %d came out otherwise than expected",
			status.Count(uint64(v.Failed), "case", "cases"), len(v.Cases))
	}
	return nil
}

// judge runs one case.
func (o *policyTestOptions) judge(p filter.Policy, c filter.Cluster, one policyCase) (policyCaseView, error) {
	v := policyCaseView{Name: filepath.Base(one.folder)}
	s, err := one.about.Edge.fill(p, c)
	if err != nil {
		return v, fmt.Errorf("the case %s: %w", one.folder, err)
	}
	got := outcome(s, one.key, one.value)
	file := filepath.Join(one.folder, expectedFile)
	var want expectation
	switch err := readYAML(file, &want); {
	case errors.Is(err, fs.ErrNotExist):
		v.Diff = "nothing is expected yet: there is no " + file + "\n"
	case err != nil:
		return v, err
	default:
		if v.Diff, err = want.compare(got); err != nil {
			return v, err
		}
	}
	if v.Diff != "" && o.update {
		got.Reason = "" // its words may change
		v.Diff, v.Updated = "", true
		if err := writeYAML(file, got); err != nil {
			return v, err
		}
	}
	v.Passed = v.Diff == ""
	return v, nil
}

func writeYAML(file string, object any) error {
	var b bytes.Buffer
	if err := printYAML(&b, object); err != nil {
		return err
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		return fault.New(fault.General, "check the permissions of its folder", "%w", err)
	}
	return nil
}

func (v policyTestView) failures() []string {
	var out []string
	for _, c := range v.Cases {
		if !c.Passed {
			out = append(out, c.Name)
		}
	}
	return out
}

func (v policyTestView) draw(p *page) {
	for _, c := range v.Cases {
		word := "ok  "
		switch {
		case !c.Passed:
			word = "FAIL"
		case c.Updated:
			word = "new "
		}
		p.line("%s %s", word, c.Name)
		for line := range strings.Lines(c.Diff) {
			p.line("     %s", strings.TrimSuffix(line, "\n"))
		}
	}
	p.line("%d passed, %d failed", v.Passed, v.Failed)
}
