package jetstream

// Stream is the name of the log stream of a source.
func Stream(source string) string { return "SYNC_" + source }

// StatusStream is the name of the stream with the newest status of everybody
// who has to do with a source.
func StatusStream(source string) string { return "STATUS_" + source }

// LogSubject carries the chained frames of a channel.
func LogSubject(source, channel string) string { return "syncer.log." + source + "." + channel }

// EdgeSubject carries digest pages and chunks for one edge, in the same stream
// and so in the same order as the frames.
func EdgeSubject(source, edge string) string { return "syncer.edge." + source + "." + edge }

// OrderSubject carries the commands of operators to one edge, in the same
// stream.
func OrderSubject(source, edge string) string { return "syncer.order." + source + "." + edge }

// RPCSubject is where the exporter answers one edge.
func RPCSubject(source, edge string) string { return "syncer.rpc." + source + "." + edge }

// CommandSubject is where the exporter takes an operator's commands to edges.
// Only the hub's admin may use it.
func CommandSubject(source string) string { return "syncer.command." + source }

// PolicySubject is where the exporter takes an operator's requests about
// policies. Only the hub's admin may use it.
func PolicySubject(source string) string { return "syncer.policy." + source }

// StatusSubject is where one edge, or the exporter, says how it is.
func StatusSubject(source, who string) string { return "syncer.status." + source + "." + who }

// ExporterName stands in for an edge name in the exporter's own status. No
// edge can have it: names do not start with an underscore.
const ExporterName = "_exporter"

// InboxPrefix is the prefix of the reply subjects of one edge.
func InboxPrefix(edge string) string { return "_INBOX_" + edge }
