// Package failpoint names the moments before and after every durable step, so
// that tests can end a process at exactly one of them. Between two such moments
// a process that dies leaves nothing behind that one of them does not show.
//
// A build with the tag failpoint obeys the variable SYNCER_FAILPOINT:
//
//	NAME               SIGKILL to the own process at the first hit of NAME
//	NAME:N             … at its N-th hit
//	NAME:N:stop        SIGSTOP instead; SIGCONT lets it go on
//	NAME:N:sleep=1s    that goroutine waits instead
//
// NAME may be any, which counts the hits of all names. In a build without the
// tag Hit is empty and nothing of this is in the binary.
//
// A new durable step gets its names here, in All, and in the table of
// cmd/syncer's tests that says how the step is brought about.
package failpoint

// Variable is the environment variable that arms a failpoint.
const Variable = "SYNCER_FAILPOINT"
