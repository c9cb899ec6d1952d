package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/fault"
)

// Compacted ends a watch whose next revision the source no longer has.
// Whatever changed between Revision and CompactRevision must be found by
// comparing.
type Compacted struct {
	Revision        int64 // the first revision that was wanted
	CompactRevision int64 // the first revision that the source can still show
}

func (e *Compacted) Error() string {
	return fmt.Sprintf("revision %d of the source is compacted, its history begins at %d", e.Revision, e.CompactRevision)
}

// Behind ends a watch that would have to replay more history than
// Options.MaxBacklog, or history in which the server gets stuck: comparing is
// faster and spares the source's writers.
type Behind struct {
	From    int64 // the first revision that was wanted
	Current int64 // where the source stands
}

func (e *Behind) Error() string {
	return fmt.Sprintf("%d revisions behind the source (revision %d, it stands at %d): too much to replay", e.Current-e.From+1, e.From, e.Current)
}

// WentBack ends a watch whose source is not what it was: restored from a
// backup, or replaced. Its revisions are not comparable with those before.
type WentBack struct {
	Revision int64  // where the source stands now
	Was      int64  // where it has been
	Why      string // how it shows
}

func (e *WentBack) Error() string {
	return fmt.Sprintf("the source was restored or replaced: %s (revision %d, it was at %d)", e.Why, e.Revision, e.Was)
}

// What ends a stream so that Watch opens the next one.
var (
	errLarge    = errors.New("a response is too large for one message and must come in fragments")
	errCaughtUp = errors.New("the watch has caught up and needs no fragments any more")
	errFull     = errors.New("the sink is slower than the source and the queue is full")
	errSilent   = errors.New("the watch stopped answering while the source moved on")
	// A member that takes in a snapshot begins its watches anew from the last
	// event of each, whatever progress it told since.
	errBegunAnew = errors.New("the server began the watch anew behind what it had told")
)

// errOldTerm is about a read that may have been answered by a member that has
// taken in a snapshot: it names the term of the entry before, until the next.
var errOldTerm = errors.New("the raft term went back")

// errNothing refuses a source without ranges: watching nothing would look
// like a source without changes.
var errNothing = errors.New("the selection of the source has no ranges")

// classify turns what gRPC returned into an error of etcd, or into the error
// of ctx when that is what ended the call.
func classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return rpctypes.Error(err)
}

// reason turns the text with which etcd cancels a watch into an error.
func reason(text string) error {
	if _, desc, ok := strings.Cut(text, "desc = "); ok {
		text = desc
	}
	if text == "" {
		return errors.New("the server cancelled the watch without a reason")
	}
	return rpctypes.Error(errors.New(text))
}

// errLearner is the answer of a member that does not vote yet. Another one may
// get the next request.
var errLearner = rpctypes.Error(rpctypes.ErrGRPCNotSupportedForLearner)

// transient reports whether the same request may succeed soon. A read changes
// nothing, so trying again is always allowed.
func transient(err error) bool {
	for _, e := range []error{
		rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision, rpctypes.ErrLeaderChanged,
		rpctypes.ErrNoLeader, rpctypes.ErrTimeout, rpctypes.ErrTooManyRequests,
		errLearner, errOldTerm, errBegunAnew,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	// Internal is a broken HTTP/2 stream. Canceled is the server's end of a
	// call: an end that came from here carries its own cause.
	switch codeOf(err) {
	case codes.Unavailable, codes.Internal, codes.Canceled:
		return !errors.Is(err, context.Canceled)
	}
	return false
}

// tooLarge reports whether gRPC refused a message for its size. etcd has
// errors with the same code, which all carry its own type.
func tooLarge(err error) bool {
	var named rpctypes.EtcdError
	return !errors.As(err, &named) && status.Code(err) == codes.ResourceExhausted
}

// codeOf is the gRPC code of err, also of an error that etcd named.
func codeOf(err error) codes.Code {
	var named rpctypes.EtcdError
	if errors.As(err, &named) {
		return named.Code()
	}
	return status.Code(err)
}

// explain adds what was being done and how to help. Permission is a case of its
// own: etcd grants a covering range only to a role that has all of it.
func (s *Source) explain(err error, doing string, r change.Range) error {
	if errors.Is(err, rpctypes.ErrPermissionDenied) {
		return fault.New(fault.Refused, fmt.Sprintf(
			"allow it on the source etcd for the whole range at once: etcdctl role grant-permission ROLE read %q %q", r.Lo, r.Hi),
			"%s %q..%q: %w", doing, r.Lo, r.Hi, err)
	}
	return fmt.Errorf("%s %q..%q: %w", doing, r.Lo, r.Hi, dial.Explain(err, strings.Join(s.cli.Endpoints(), ",")))
}
