package dial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/fault"
)

// Role says what a cluster is used for.
type Role string

// The roles.
const (
	Source Role = "source"
	Target Role = "target"
)

// Server is what a cluster says about itself.
type Server struct {
	Endpoint  string // the one that answered
	Version   string
	ClusterID uint64
	MemberID  uint64
	Revision  int64
	DBSize    int64    // bytes on disk
	Alarms    []string // NOSPACE, CORRUPT
	Warnings  []string // for the operator; they do not keep us from working
}

const statusTimeout = 3 * time.Second

// Check asks the cluster how it is. It fails when no endpoint answers, when a
// server is older than 3.4 or, at a source, tells progress before the events, has
// found its data corrupt, or is a target without space.
func Check(ctx context.Context, cli *clientv3.Client, role Role) (Server, error) {
	st, srv, err := oldestStatus(ctx, cli)
	if err != nil {
		return Server{}, fmt.Errorf("%s: %w", role, err)
	}
	v, err := parseVersion(st.Version)
	if err != nil {
		return srv, fault.New(fault.Check, "check that the endpoint is an etcd", "%s: etcd at %s: %w", role, srv.Endpoint, err)
	}
	if v.before(version{3, 4, 0}) {
		return srv, fault.New(fault.Check, "upgrade etcd to 3.4.42, 3.5.28, 3.6.9 or later",
			"%s: etcd %s at %s is too old", role, st.Version, srv.Endpoint)
	}
	if floor, below := v.below(progressFloors); role == Source && below {
		upgrade, _ := v.below(floors)
		return srv, fault.New(fault.Check, fmt.Sprintf("upgrade etcd to %s or later", upgrade),
			"%s: etcd %s at %s says of changes that it sent them before it does, so that they would be skipped; before %s that was a bug",
			role, st.Version, srv.Endpoint, floor)
	}
	srv.Warnings = append(srv.Warnings, v.warnings(cli.Username != "")...)
	if st.IsLearner {
		srv.Warnings = append(srv.Warnings, fmt.Sprintf("etcd at %s is a learner and serves no requests", srv.Endpoint))
	}
	return srv, srv.alarms(st.Errors, role)
}

// oldestStatus is the status of the endpoint with the oldest version of those that
// answer, the first of several. All are asked at once: one that is down says
// nothing until time runs out.
func oldestStatus(ctx context.Context, cli *clientv3.Client) (*clientv3.StatusResponse, Server, error) {
	eps := cli.Endpoints()
	status, failed := make([]*clientv3.StatusResponse, len(eps)), make([]error, len(eps))
	var wg sync.WaitGroup
	for i, ep := range eps {
		wg.Go(func() {
			st, err := statusOf(ctx, cli, ep)
			status[i], failed[i] = st, Explain(err, ep)
		})
	}
	wg.Wait()
	oldest := -1
	for i, st := range status {
		if failed[i] == nil && (oldest < 0 || olderThan(st.Version, status[oldest].Version)) {
			oldest = i
		}
	}
	failed = slices.DeleteFunc(failed, func(err error) bool { return err == nil })
	if oldest < 0 && len(failed) == 1 {
		return nil, Server{}, failed[0]
	}
	if oldest < 0 {
		return nil, Server{}, errors.Join(failed...)
	}
	st := status[oldest]
	srv := Server{
		Endpoint:  eps[oldest],
		Version:   st.Version,
		ClusterID: st.Header.ClusterId,
		MemberID:  st.Header.MemberId,
		Revision:  st.Header.Revision,
		DBSize:    st.DbSize,
	}
	for _, f := range failed {
		srv.Warnings = append(srv.Warnings, f.Error())
	}
	return st, srv, nil
}

func statusOf(ctx context.Context, cli *clientv3.Client, ep string) (*clientv3.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	return cli.Status(ctx, ep)
}

// alarms reads the alarms out of the status, which needs no permission.
func (s *Server) alarms(raised []string, role Role) error {
	all := strings.Join(raised, " ")
	var err error
	if strings.Contains(all, "CORRUPT") {
		s.Alarms = append(s.Alarms, "CORRUPT")
		err = fmt.Errorf("%s: %w", role, Explain(rpctypes.ErrCorrupt, s.Endpoint))
	}
	if !strings.Contains(all, "NOSPACE") {
		return err
	}
	s.Alarms = append(s.Alarms, "NOSPACE")
	if role == Source {
		s.Warnings = append(s.Warnings, fmt.Sprintf("etcd at %s raised the alarm NOSPACE: its users cannot write", s.Endpoint))
		return err
	}
	return errors.Join(err, fmt.Errorf("%s: %w", role, Explain(rpctypes.ErrNoSpace, s.Endpoint)))
}
