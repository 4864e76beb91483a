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

// confine hands the set over to whom the capture becomes, and gives up what the capture doesn't need
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
	if o.rootFor != nil && o.user == "" {
		log.Info("the capture stays root's", "because", o.rootFor)
	}
	if o.noSandbox && o.becomes == nil {
		log.Warn("nothing confines the capture: --no-sandbox")
		return captureSandbox{Enforced: []string{}, Lacks: []string{"--no-sandbox"}}, nil
	}
	_ = time.Now().Local().String() // reads the zone's file
	r, err := sandbox.Confine(o.sandbox(&cfg.Files, pidPath))
	if err != nil {
		return captureSandbox{}, fmt.Errorf("%w; --no-sandbox does without", err)
	}
	log.Info("confined", "enforced", strings.Join(r.Enforced, ", "))
	for _, lack := range r.Lacks {
		log.Warn("not confined in one respect", "because", lack)
	}
	return captureSandbox{Enforced: r.Enforced, Lacks: append([]string{}, r.Lacks...)}, nil
}

// sandbox is what the capture keeps.
func (o *captureOptions) sandbox(f *rotate.Config, pidPath string) *sandbox.Config {
	c := &sandbox.Config{User: o.becomes, Open: o.noSandbox}
	if pidPath != "" { // the control socket goes
		c.Remove = append(c.Remove, filepath.Dir(pidPath))
	}
	if o.logFile != "" {
		c.Write = append(c.Write, filepath.Dir(o.logFile))
	}
	if f.Stream == nil {
		c.Write = append(c.Write, f.Dir)
	}
	return c
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
