package config

import (
	"slices"

	"github.com/syncer-io/syncer/filter/strictyaml"
)

// validate attaches every problem of the file to doc, after defaults.
func (e *Exporter) validate(doc *strictyaml.Document) {
	checkVersion(doc, e.APIVersion)
	checkName(doc.At("name"), e.Name, "a source")
	checkSource(doc, e.Source)
	checkRequired(doc.At("dataDir"), e.DataDir, "dataDir")
	e.validateHub(doc)
	e.validateTuning(doc)
	checkOptionalListen(doc.At("metrics", "listen"), e.Metrics.Listen)
}

// validate attaches every problem of the file to doc, after defaults.
func (i *Importer) validate(doc *strictyaml.Document) {
	checkVersion(doc, i.APIVersion)
	checkName(doc.At("name"), i.Name, "an edge")
	checkName(doc.At("source"), i.Source, "a source")
	checkName(doc.At("channel"), i.Channel, "a channel")
	checkCluster(doc, i.Target, "target")
	checkWriter(doc, i.Target, "target")
	checkRequired(doc.At("dataDir"), i.DataDir, "dataDir")
	checkAccept(doc, i.Accept)
	if i.Hub.URL == "" {
		doc.At("hub", "url").Hint("add the URL of the hub").Problemf(`missing field "url" in hub`)
	}
	checkLink(doc, i.Hub)
	checkOptionalListen(doc.At("metrics", "listen"), i.Metrics.Listen)
	atLeast(doc.At("inbox", "maxBytes"), i.Inbox.MaxBytes, MinInboxMaxBytes)
}

// validateHub wants a hub of exactly one sort.
func (e *Exporter) validateHub(doc *strictyaml.Document) {
	if e.Hub.Embedded == nil {
		if e.Hub.URL == "" && doc.Sound("hub", "embedded") {
			doc.At("hub", "url").
				Hint("add embedded: {} to run a hub here, or url for a hub elsewhere").
				Problemf("there is no hub")
		}
		checkLink(doc, e.Hub.Link())
		return
	}
	for _, field := range e.Hub.linkFields() {
		doc.At("hub", field).Hint("remove one of them").
			Problemf("hub.%s is for a hub elsewhere, but hub.embedded runs one here (%s)", field, doc.At("hub", "embedded").Place())
	}
	h := e.Hub.Embedded
	checkListen(doc.At("hub", "embedded", "listen"), h.Listen)
	checkServerTLS(doc, h.TLS, "hub", "embedded", "tls")
	if doc.Sound("hub", "embedded", "maxBytes") && doc.Sound("stream", "maxBytes") {
		atLeast(doc.At("hub", "embedded", "maxBytes"), h.MaxBytes, e.Stream.MaxBytes)
	}
	if e.Stream.Replicas > 1 {
		doc.At("stream", "replicas").Hint("use 1, or a hub elsewhere").
			Problemf("the embedded hub is one server and cannot keep %d replicas", e.Stream.Replicas)
	}
}

// linkFields are the fields set that only a hub elsewhere has.
func (h Hub) linkFields() []string {
	var out []string
	if h.URL != "" {
		out = append(out, "url")
	}
	if h.Credentials != "" {
		out = append(out, "credentials")
	}
	if h.TLS != nil {
		out = append(out, "tls")
	}
	return out
}

func (e *Exporter) validateTuning(doc *strictyaml.Document) {
	atLeast(doc.At("heartbeat"), e.Heartbeat, MinHeartbeat)
	if e.Heartbeat > MaxHeartbeat {
		doc.At("heartbeat").Problemf("%v is above the maximum of %v", e.Heartbeat, MaxHeartbeat)
	}
	atLeast(doc.At("stream", "maxBytes"), e.Stream.MaxBytes, MinStreamMaxBytes)
	atLeast(doc.At("spool", "maxBytes"), e.Spool.MaxBytes, MinSpoolMaxBytes)
	atLeast(doc.At("stream", "maxAge"), e.Stream.MaxAge, MinStreamMaxAge)
	if !slices.Contains([]int{1, 3, 5}, e.Stream.Replicas) {
		doc.At("stream", "replicas").Hint("use 1, 3 or 5").Problemf("a stream cannot have %d replicas", e.Stream.Replicas)
	}
}
