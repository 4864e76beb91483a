package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// endings are the signals after which a command ends well. A terminal that goes is one of
// them, unless the command was told to ignore that (nohup(1)).
func endings() []os.Signal {
	s := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		s = append(s, syscall.SIGHUP)
	}
	return s
}

// untilEnded returns a context that ends with one of those.
func untilEnded(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, endings()...)
}
