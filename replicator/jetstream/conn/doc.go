// Package conn connects to the hub. Every failure names the place, the cause
// and a remedy: an operator should never have to guess from "timeout" that the
// port belongs to something else or that the hub wants TLS.
package conn
