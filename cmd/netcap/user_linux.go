package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"netcap/internal/daemon"
	"netcap/internal/preflight"
	"netcap/internal/printable"
	"netcap/internal/sandbox"
	"netcap/internal/service"
	"netcap/rotate"
)

// lookUpUser finds whom the capture becomes: the user of -Z, or, of itself, the one that the
// packages and netcap service make, if this is root's and there is such a user.
func (o *captureOptions) lookUpUser() error {
	if o.user == "" {
		if os.Geteuid() == 0 {
			o.lookUpSystemUser()
		}
		return nil
	}
	if os.Geteuid() != 0 {
		return usageError{errors.New("-Z: only root can become another user: leave it out")}
	}
	u, err := sandbox.LookUp(o.user)
	if err != nil {
		return fmt.Errorf("-Z: %w", err)
	}
	if o.becomes = u; u.UID == 0 { // it stays that
		o.lookUpSystemUser()
		o.stayRoot(errors.New("-Z " + o.user))
	}
	return nil
}

func (o *captureOptions) lookUpSystemUser() {
	u, err := sandbox.LookUp(service.User)
	if err != nil {
		o.rootFor = fmt.Errorf("there is no user called %s, whom the packages and netcap service install make", service.User)
		return
	}
	o.becomes, o.byItself, o.systemUID = u, true, u.UID
	if o.noSandbox {
		o.stayRoot(errors.New("--no-sandbox"))
	}
}

// stayRoot has the capture become nobody else.
func (o *captureOptions) stayRoot(why error) {
	o.becomes, o.byItself, o.rootFor = nil, false, why
}

// commandUser is whom the helper process becomes, and with it the command of -z: the user of
// -Z. It stays root's where the capture isn't by itself.
func (o *captureOptions) commandUser() *sandbox.User {
	if o.byItself {
		return nil
	}
	return o.becomes
}

// isShared says why what the capture writes isn't handed over by itself: it belongs to others,
// or is shared with them.
func (o *captureOptions) isShared(f *rotate.Config, next *rotate.Successor) error {
	if o.write != "" && f.Name != "" {
		return fmt.Errorf("the directory of -w is shared with others: use --dir, or -Z %s", next.Name)
	}
	st, err := os.Stat(f.Dir)
	if err != nil || o.dir == "" {
		return nil // it is netcap's own, or will be
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Uid != 0 && int(sys.Uid) != next.UID {
		return fmt.Errorf("%s belongs to user %d: chown %s, or use -Z", printable.Text(f.Dir), sys.Uid, next.Name)
	}
	return nil
}

// successor is the user for whom it is tried whether the set can go on; nil for nobody else.
func (o *captureOptions) successor(f *rotate.Config) *rotate.Successor {
	u := o.becomes
	if u == nil || f.Stream != nil {
		return nil
	}
	return &rotate.Successor{
		Name: u.Name, UID: u.UID, GID: u.GID, Do: func(try func() error) error { return sandbox.As(u, try) },
		Owns: o.write == "", Opened: o.opened(f),
	}
}

// opened is the directory on the way to the set that is root's, and nobody else's business:
// only the way is opened. "" where netcap doesn't decide about that.
func (o *captureOptions) opened(f *rotate.Config) string {
	if o.write == "" && o.dir == "" {
		return filepath.Dir(f.Dir)
	}
	return ""
}

// tryUser tries as the user whom the capture becomes what is done later, before anything is
// captured. One that it would become by itself, and that can't go on, it doesn't become.
func (o *captureOptions) tryUser(f *rotate.Config, log *daemon.Log) error {
	next := o.successor(f)
	if next == nil {
		return nil
	}
	p, err := o.lookFor(f, next)
	if err != nil && o.byItself {
		o.stayRoot(err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("-Z %s: %w", next.Name, err)
	}
	if p.Foreign != "" {
		log.Warn("files are left alone", "because", p.Foreign)
	}
	return nil
}

func (o *captureOptions) lookFor(f *rotate.Config, next *rotate.Successor) (*rotate.Preview, error) {
	if o.byItself {
		if err := o.isShared(f, next); err != nil {
			return nil, err
		}
		return rotate.LookFor(f, next)
	}
	p, err := rotate.LookFor(f, next)
	if err == nil {
		err = preflight.TryUser(next, "", o.command()) // the helper opens the journal as that user
	}
	return p, err
}

// tried is the user for whom a check looks; nil for nobody else.
func (o *captureOptions) tried(f *rotate.Config) *rotate.Successor {
	next := o.successor(f)
	if next != nil && o.byItself {
		if _, err := o.lookFor(f, next); err != nil {
			o.stayRoot(err)
			return nil
		}
	}
	return next
}

// handOver gives the user whom the capture becomes what it goes on writing to.
func (o *captureOptions) handOver(f *rotate.Config) error {
	u := o.becomes
	if f.Stream != nil {
		return nil
	}
	owns := o.write == "" // netcap made the directory, or was given it for its own
	err := o.openWay(f)
	if err == nil && f.Name == "" && f.Beside { // it will be compressed
		err = rotate.HandOverFile(f.Dir, f.File, u.UID, u.GID)
	}
	if err == nil {
		err = rotate.HandOver(f.Dir, f.Name, owns, u.UID, u.GID)
	}
	switch {
	case err != nil && o.byItself:
		return fmt.Errorf("handing the set over to user %s: %w: -Z root does without", u.Name, err)
	case err != nil:
		return fmt.Errorf("-Z %s: %w", u.Name, err)
	}
	return nil
}
