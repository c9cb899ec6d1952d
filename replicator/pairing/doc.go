// Package pairing enrols edges: it makes and checks join tokens, keeps the
// registry of pairs on the hub, and names exactly what an edge may do there.
//
// A pair is born as an offer: the hub side draws a token (see [Token]) and
// stores only the public key that follows from it. The edge makes its own key,
// connects to the hub as the token, and asks [Join]; the [Service] in the hub's
// process consumes the token by compare-and-set and answers with a [Grant].
// From then on the edge connects as its own key. A used, expired or removed
// token may still connect and ask, and nothing else, so that the answer can say
// which of these it is.
//
// The registry is a JetStream key-value bucket on the hub. It is what decides
// who may connect, so it is as durable as the hub's directory: a removed pair
// stays removed when the hub restarts.
//
// Keys of the hub, of tokens and of edges are NATS user nkeys (Ed25519).
package pairing
