package main

import (
	"os"
	"path/filepath"
	"time"

	"netcap/internal/daemon"
	"netcap/internal/fileset"
	"netcap/internal/registry"
	"netcap/internal/report"
	"netcap/rotate"
)

// captures is where captures of this user are remembered. A service is root's to ask for: it has
// the directories that systemd gives it, systemd.exec(5).
func captures() (*registry.Registry, error) {
	r := &registry.Registry{Run: os.Getenv("RUNTIME_DIRECTORY"), State: os.Getenv("STATE_DIRECTORY")}
	var err error
	if !filepath.IsAbs(r.Run) {
		if r.Run, err = runDir(); err != nil {
			return nil, err
		}
	}
	if !filepath.IsAbs(r.State) {
		if r.State, err = setsDir(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// remember notes where this capture writes, for commands that are given its name. It isn't worth
// an end.
func (o *captureOptions) remember(f *rotate.Config, pidFile string, log *daemon.Log) {
	if pidFile == "" { // a stream, of which nothing stays
		return
	}
	err := func() error {
		r, err := captures()
		if err != nil {
			return err
		}
		c := &registry.Capture{Name: o.name, Set: f.Name, File: f.File, Started: time.Now().UTC()}
		if c.Dir, err = filepath.Abs(f.Dir); err != nil {
			return err
		}
		if c.PIDFile, err = filepath.Abs(pidFile); err != nil {
			return err
		}
		return r.Enter(c)
	}()
	if err != nil {
		log.Warn("where the capture writes can't be noted: give commands the path, its name may not be enough", "error", err)
	}
}

// remembered are the captures that run, or ran.
func remembered() (all []known, err error) {
	r, err := captures()
	if err != nil {
		return nil, nil // there is no place for them
	}
	found, err := r.All()
	for _, c := range found {
		path := c.Path()
		for _, variant := range fileset.Variants(path) { // its only file may have been compressed
			if _, err := os.Lstat(variant); err == nil {
				path = variant
				break
			}
		}
		all = append(all, known{c.Name, report.Place{Path: path, Set: c.Set}, c.PIDFile, c.Running})
	}
	return all, err
}
