package control

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/syncer-io/syncer/replicator/fault"
)

// The bounds of the server. A command is small, and a client is on this host.
const (
	maxBody     = 256 << 10
	maxHeader   = 16 << 10
	maxAtOnce   = 16
	requestTime = 5 * time.Second
	idleTime    = 30 * time.Second
	closeTime   = 2 * time.Second
	firstPause  = time.Second
	longestWait = 30 * time.Second
)

// Serve answers on the socket of a data directory until ctx is done, removes
// the socket, and returns nil. The caller holds the lock of the directory. A
// socket that cannot be made, on a full disk for one, is tried again: changes
// flow without it.
func Serve(ctx context.Context, dir string, im Importer, logger *slog.Logger) error {
	for pause := firstPause; ; pause = min(2*pause, longestWait) {
		err := serve(ctx, dir, im, logger)
		if ctx.Err() != nil {
			return err
		}
		logger.Error("the control socket is not usable, trying again", "cause", err.Error(), "try", fault.Try(err))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// serve runs one server. While ctx is not done it returns an error.
func serve(ctx context.Context, dir string, im Importer, logger *slog.Logger) error {
	l, err := listen(ctx, dir)
	if err != nil && ctx.Err() != nil {
		return nil //nolint:nilerr // the end that was asked for
	}
	if err != nil {
		return fault.New(fault.General, "check that the data directory can be written and has space", "open the control socket in %s: %w", dir, err)
	}
	server := &http.Server{
		Handler:           handler(im),
		ReadHeaderTimeout: requestTime,
		ReadTimeout:       requestTime,
		WriteTimeout:      2 * requestTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	return errors.Join(run(ctx, server, l), unlink(dir))
}

// run serves until ctx is done, and waits for the server's end.
func run(ctx context.Context, server *http.Server, l net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return errors.Join(err, server.Close())
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	err := server.Shutdown(closing)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close() // a client that does not read its answer
	}
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
