// Package service makes a systemd service of a capture: a hardened unit that runs it
// as a user of its own with one capability.
package service
