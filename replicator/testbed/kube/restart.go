package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// apiServer is the name of that part.
const apiServer = "kube-apiserver"

// KillAPIServer ends the API server; its etcd and its address stay.
func (p *Plane) KillAPIServer() error {
	for i := range p.parts {
		if part := &p.parts[i]; part.name == apiServer {
			return errors.Join(part.process.Kill(), part.log.Close())
		}
	}
	return fmt.Errorf("there is no %s", apiServer)
}

// StartAPIServer starts the API server that was killed, and waits until it is
// ready.
func (p *Plane) StartAPIServer(ctx context.Context) error {
	for i := range p.parts {
		part := &p.parts[i]
		if part.name != apiServer {
			continue
		}
		log, err := os.OpenFile(p.path(apiServer+".log"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("open the log of %s: %w", apiServer, err)
		}
		process, err := testbed.StartProcess(testbed.ProcessConfig{
			Path: filepath.Join(p.bin, apiServer), Args: part.args, Dir: p.dir, Log: log, DieWithParent: true,
		})
		if err != nil {
			return errors.Join(err, log.Close())
		}
		part.process, part.log = process, log
		return p.Await(ctx, "the API server", p.client.ready)
	}
	return fmt.Errorf("there is no %s", apiServer)
}
