// Package daemon is what makes a capture a well-behaved process: its PID file
// and its log.
package daemon
