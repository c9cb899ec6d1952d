package source

import (
	"context"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// soonest is the pause between two questions for progress.
const soonest = 10 * time.Millisecond

// ask asks the server for progress, every Options.Progress and on Nudge. The
// server drops a question silently while the watch is catching up, so a nudge
// is repeated after growing pauses. It returns nil when ctx ends, and an error
// when the watch is dead although its stream is not.
func (s *Source) ask(ctx context.Context, st *stream, q *queue, silence time.Duration) error {
	pause, asked := soonest, time.Time{}
	timer := time.NewTimer(0)
	defer timer.Stop()
	dog := watchdog{silence: silence}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.nudge:
			pause = soonest
			timer.Reset(max(0, soonest-time.Since(asked)))
			continue
		case <-timer.C:
		}
		if st.Send(progressRequest()) != nil {
			return nil // the reader learns why the stream broke
		}
		asked = time.Now()
		if err := s.check(ctx, &dog, st, q); err != nil {
			return err
		}
		pause = min(pause, s.opts.Progress)
		timer.Reset(pause)
		pause *= 2
	}
}

func progressRequest() *pb.WatchRequest {
	return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}}
}

// watchdog remembers what a silent watch owes.
type watchdog struct {
	silence time.Duration
	owed    int64     // the watch must reach this revision
	since   time.Time // when that was found
}

// check asks the source itself when the watch has told nothing new for too long.
// Silence alone proves nothing: an idle source has nothing new, and gives a watch
// that was opened at its next revision no answer until something is written.
func (s *Source) check(ctx context.Context, dog *watchdog, st *stream, q *queue) error {
	silent := time.Since(time.Unix(0, st.heard.Load()))
	if silent < dog.silence || time.Since(dog.since) < dog.silence {
		return nil
	}
	if dog.owed > q.end() {
		return errSilent
	}
	h, err := s.head(ctx)
	if err != nil {
		return classify(ctx, err)
	}
	dog.owed, dog.since = h.revision, time.Now()
	return nil
}
