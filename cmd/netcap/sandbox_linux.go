package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"netcap/internal/daemon"
	"netcap/internal/preflight"
	"netcap/internal/printable"
	"netcap/internal/record"
	"netcap/internal/sandbox"
	"netcap/rotate"
)

// captureSandbox is what confines a capture, as netcap status --json prints it.
type captureSandbox struct {
	Enforced []string `json:"enforced"`
	Lacks    []string `json:"lacks"` // what isn't, and why
}

// lookUpUser finds the user of -Z.
func (o *captureOptions) lookUpUser() error {
	if o.user == "" {
		return nil
	}
	if os.Geteuid() != 0 {
		return usageError{errors.New("-Z: only root can become another user: leave it out")}
	}
	u, err := sandbox.LookUp(o.user)
	if err != nil {
		return fmt.Errorf("-Z: %w", err)
	}
	o.becomes = u
	return nil
}

// lookUpGroup finds the group of --group, nil for none, which the user of -Z then has.
func (o *captureOptions) lookUpGroup() (*int, error) {
	if o.group == "" {
		return nil, nil
	}
	gid, err := sandbox.LookUpGroup(o.group)
	if err != nil {
		return nil, usageError{fmt.Errorf("--group %s: %w: make it (groupadd), or name another", printable.Text(o.group), err)}
	}
	if o.becomes != nil {
		u := *o.becomes
		u.Groups, u.GID = append(slices.Clone(u.Groups), u.GID), gid
		o.becomes = &u
	}
	return &gid, nil
}

// enterGroup has the files that the process makes, and those it starts, belong to a group that
// may read them where it is said so.
func enterGroup(f *rotate.Config) error {
	if f.Group == nil {
		return nil
	}
	const groupReads = 0o040
	syscall.Umask(syscall.Umask(0o077) &^ groupReads)
	err := syscall.Setresgid(-1, *f.Group, -1)
	if errors.Is(err, syscall.EPERM) {
		return nil // a member may do without: rotate says so if not
	}
	return err
}

// confine hands the set over to the user of -Z, and gives up what the capture doesn't need
// any more: all that needs more has been done.
func (o *captureOptions) confine(cfg *record.Config, pidPath string, log *daemon.Log) (captureSandbox, error) {
	if cfg.Files.Group != nil {
		if err := o.openWay(&cfg.Files); err != nil {
			return captureSandbox{}, fmt.Errorf("--group %s: %w", o.group, err)
		}
	}
	if o.becomes != nil {
		if err := errors.Join(o.handOver(&cfg.Files), log.Spare(o.becomes.UID)); err != nil {
			return captureSandbox{}, err
		}
	}
	if o.noSandbox && o.becomes == nil {
		log.Warn("nothing confines the capture: --no-sandbox")
		return captureSandbox{Enforced: []string{}, Lacks: []string{"--no-sandbox"}}, nil
	}
	_ = time.Now().Local().String() // reads the zone's file
	c := &sandbox.Config{User: o.becomes, Open: o.noSandbox}
	if pidPath != "" { // the control socket goes
		c.Remove = append(c.Remove, filepath.Dir(pidPath))
	}
	if o.logFile != "" {
		c.Write = append(c.Write, filepath.Dir(o.logFile))
	}
	if cfg.Files.Stream == nil {
		c.Write = append(c.Write, cfg.Files.Dir)
	}
	r, err := sandbox.Confine(c)
	if err != nil {
		return captureSandbox{}, fmt.Errorf("%w; --no-sandbox does without", err)
	}
	log.Info("confined", "enforced", strings.Join(r.Enforced, ", "))
	for _, lack := range r.Lacks {
		log.Warn("not confined in one respect", "because", lack)
	}
	return captureSandbox{Enforced: r.Enforced, Lacks: append([]string{}, r.Lacks...)}, nil
}

// successor is the user of -Z for whom it is tried whether the set can go on; nil for nobody
// else.
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

// tryUser tries as the user of -Z what is done later, before anything is captured.
func (o *captureOptions) tryUser(f *rotate.Config, log *daemon.Log) error {
	next := o.successor(f)
	if next == nil {
		return nil
	}
	p, err := rotate.LookFor(f, next)
	if err == nil {
		err = preflight.TryUser(next, "", o.command()) // the helper opens the journal as that user
	}
	if err != nil {
		return fmt.Errorf("-Z %s: %w", next.Name, err)
	}
	if p.Foreign != "" {
		log.Warn("files are left alone", "because", p.Foreign)
	}
	return nil
}

// command is the path of the program of -z, "" for none.
func (o *captureOptions) command() string {
	words := strings.Fields(o.postRotate)
	if len(words) == 0 {
		return ""
	}
	path, err := exec.LookPath(words[0])
	if err != nil {
		return words[0] // files has refused it
	}
	return path
}

// openWay lets everybody through the directory that leads to the set.
func (o *captureOptions) openWay(f *rotate.Config) error {
	base := o.opened(f)
	if base == "" {
		return nil
	}
	if st, err := os.Stat(base); err != nil || st.Mode()&1 != 0 {
		return nil
	} else if err := os.Chmod(base, st.Mode().Perm()|0o011); err != nil {
		return err
	}
	return nil
}

// handOver gives the user of -Z what the capture goes on writing to.
func (o *captureOptions) handOver(f *rotate.Config) error {
	u := o.becomes
	if f.Stream != nil {
		return nil
	}
	owns := o.write == "" // netcap made the directory, or was given it for its own
	if err := o.openWay(f); err != nil {
		return fmt.Errorf("-Z %s: %w", u.Name, err)
	}
	if f.Name == "" && f.Beside { // it will be compressed
		if err := rotate.HandOverFile(f.Dir, f.File, u.UID, u.GID); err != nil {
			return fmt.Errorf("-Z %s: %w", u.Name, err)
		}
	}
	if err := rotate.HandOver(f.Dir, f.Name, owns, u.UID, u.GID); err != nil {
		return fmt.Errorf("-Z %s: %w", u.Name, err)
	}
	return nil
}
