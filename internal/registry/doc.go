// Package registry remembers where captures write, so that a capture is found by its name
// wherever its set and its PID file are: while it runs, and after it has ended.
//
// Each capture has one file, NAME.capture, or NAME~HASH.capture where its PID file isn't the
// usual one, since several captures may have one name then. It is JSON, written when the capture
// begins, twice: beside the PID files, which are gone after a boot, and beside the sets, which
// stay. Whether a capture runs doesn't stand there: its PID file is asked.
package registry
