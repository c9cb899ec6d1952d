package exporter

import (
	"context"
	"errors"

	"github.com/syncer-io/syncer/replicator/jetstream"
)

// takePolicies answers operators about policies until ctx is done.
func (t *term) takePolicies(ctx context.Context) error {
	stop, err := jetstream.ServePolicies(ctx, t.nc, t.cfg.Name, t.policy)
	if err != nil {
		return err
	}
	<-ctx.Done()
	return errors.Join(context.Cause(ctx), stop())
}

func (t *term) policy(ctx context.Context, req jetstream.PolicyRequest, progress func(jetstream.PolicyProgress)) jetstream.PolicyReply {
	return jetstream.PolicyReply{}
}
