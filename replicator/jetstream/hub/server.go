package hub

import (
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/syncer-io/syncer/replicator/fault"
)

// readyTime bounds the start of the server after its store was read.
const readyTime = 10 * time.Second

// startServer starts the server, store included, without listening.
func (h *Hub) startServer(g *gate) error {
	so, err := h.opts.serverOptions(g)
	if err != nil {
		return err
	}
	s, err := server.NewServer(so)
	if err != nil {
		return fmt.Errorf("set up the hub: %w", err)
	}
	h.server, h.log = s, newServerLog(h.opts.Logger)
	s.SetLoggerV2(h.log, false, false, false)
	s.Start()
	if err := h.log.fatal(); err != nil {
		return directoryError(h.opts.DataDir, err)
	}
	if !s.ReadyForConnections(readyTime) || !s.JetStreamEnabled() {
		return fault.New(fault.General, "see the log lines before this one", "the hub did not become ready in %s", readyTime)
	}
	return nil
}

func (o Options) serverOptions(g *gate) (*server.Options, error) {
	host, port, err := o.hostPort()
	if err != nil {
		return nil, err
	}
	tls, err := o.tlsConfig()
	if err != nil {
		return nil, err
	}
	so := &server.Options{
		ServerName: "syncer-hub",
		Host:       host,
		Port:       port,
		DontListen: true, // Hub.listen does, when the gate knows the pairs
		NoSigs:     true,

		CustomClientAuthentication: g,
		AlwaysEnableNonce:          true,

		JetStream:          true,
		StoreDir:           o.DataDir,
		SyncAlways:         true,
		JetStreamMaxStore:  o.MaxBytes,
		JetStreamMaxMemory: o.MaxMemory,

		MaxPayload:    MaxPayload,
		PingInterval:  o.PingInterval,
		MaxPingsOut:   2,
		WriteDeadline: 30 * time.Second,
	}
	if tls != nil {
		so.TLS, so.TLSVerify, so.TLSConfig, so.TLSTimeout = true, tls.ClientCAs != nil, tls, 5
	}
	return so, nil
}

// listen opens the hub to the network.
func (h *Hub) listen() error {
	h.server.AcceptLoop(make(chan struct{})) // returns when it accepts, or failed
	if err := h.log.fatal(); err != nil {
		return listenError(h.opts.Listen, err)
	}
	h.opts.Logger.Info("hub listens", "url", h.URL(), "tls", !h.opts.TLS.IsZero(), "dir", h.opts.DataDir)
	return nil
}

// isNoise names server lines that say nothing to an operator of syncer.
func isNoise(line string) bool {
	return strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "---") || strings.TrimSpace(line) == ""
}
