package main

import (
	"context"
	"sync"

	"netcap/internal/daemon"
	"netcap/internal/finish"
	"netcap/internal/helper"
	"netcap/internal/record"
	"netcap/internal/report"
)

// finishing is what is done with the files of a capture, if anything.
type finishing struct {
	o      *captureOptions
	cfg    *record.Config
	helper *helper.Helper // nil if nothing is asked of it

	mu     sync.Mutex
	f      *finish.Finisher
	before []string // files that were finished before there was somebody to tell
	begun  []string // for the helper, which can't read the set before it is handed over
	ours   bool     // it is
}

// began has the helper read a file that was begun.
func (l *finishing) began(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ours {
		l.helper.Began(path)
	} else {
		l.begun = append(l.begun, path)
	}
}

// handedOver says that the set is what it is for the user whom helper and capture become.
func (l *finishing) handedOver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ours = true
	for _, path := range l.begun {
		l.helper.Began(path)
	}
	l.begun = nil
}

// begin prepares the work, once the directory is there.
func (l *finishing) begin(rec *record.Recorder) error {
	if l.o.compress == "none" && l.o.postRotate == "" {
		return nil
	}
	c := finish.Config{Dir: l.cfg.Files.Dir, Log: l.cfg.Log, KeepFree: func() int64 { return rec.Status().Files.KeepFree }}
	if l.o.postRotate != "" {
		c.Run = l.helper.Run
	}
	if l.o.compress != "none" {
		c.Compress, c.Describe = finish.Method(l.o.compress), report.Label
	}
	f, err := finish.New(&c)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.f = f
	for _, path := range l.before {
		f.Add(path)
	}
	l.before = nil
	return nil
}

// add has a file worked on.
func (l *finishing) add(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.f != nil:
		l.f.Add(path)
	case l.o.compress != "none" || l.o.postRotate != "":
		l.before = append(l.before, path)
	}
}

// end waits until all files are worked on. A second signal ends the process meanwhile.
func (l *finishing) end(log *daemon.Log) error {
	if l.f == nil {
		return nil
	}
	if l.helper != nil {
		l.helper.Hurry()
	}
	if n := l.f.Stats().Waiting; n > 0 {
		log.Info("the capture has ended; the last files are still being worked on", "files", n)
	}
	return l.f.Close(context.Background())
}

// abandon gives up what end has not waited for.
func (l *finishing) abandon() {
	if l.f == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = l.f.Close(ctx) // a capture that didn't begin, or one that end has closed
}

// restarts is how often another helper process went on in the place of one.
func (l *finishing) restarts() int64 {
	if l.helper == nil {
		return 0
	}
	return l.helper.Restarts()
}

func (l *finishing) stats() (s finish.Stats) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f != nil {
		s = l.f.Stats()
	}
	return s
}
