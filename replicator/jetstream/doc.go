// Package jetstream is the way across the hub: one log stream per source, one
// chained writer, one durable consumer per edge, requests from edges to the
// exporter, and the newest status of everybody.
//
// A stream is a lossy hint here. Nothing trusts a sequence number, a consumer
// state or an acknowledgement: frames are chained, readers verify the chain,
// and what the hub loses is published again or repaired by comparison. These
// cases are silent in JetStream and are noticed by the chain or by missing
// heartbeats: a consumer that starts below the first message, one that starts
// beyond the end, a stream that was deleted and made again, a store that was
// rolled back, a byte limit below the next message.
package jetstream
