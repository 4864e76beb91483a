package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
)

// System is the machine that services are installed on.
type System struct {
	// Root is put before the paths of systemd's files, "" for the machine itself.
	Root string
	// Run runs a program. Default: os/exec.
	Run func(program string, args ...string) error
}

func (s *System) run(program string, args ...string) error {
	if s.Run != nil {
		return s.Run(program, args...)
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", "; "))
	}
	return nil
}

// Path is where the unit file of a capture is.
func (s *System) Path(name string) string {
	return filepath.Join(s.Root, "/etc/systemd/system", UnitName(name))
}

// ErrNoSystemd is what Install and Uninstall return where systemd doesn't run.
var ErrNoSystemd = errors.New("systemd doesn't run this machine: netcap start captures without it")

// ready reports whether units can be installed.
func (s *System) ready() error {
	if _, err := os.Stat(filepath.Join(s.Root, "/run/systemd/system")); err != nil { // sd_booted(3)
		return ErrNoSystemd
	}
	if s.Root == "" && os.Geteuid() != 0 {
		return fmt.Errorf("services are root's: %w: use sudo", fs.ErrPermission)
	}
	return nil
}

// Install writes the unit of a capture, and has systemd run it, now and at each boot.
// It returns once packets are being captured. A unit that netcap did not write is left
// alone.
func (s *System) Install(c *Capture) error {
	if err := s.ready(); err != nil {
		return err
	}
	for _, name := range c.Groups {
		if _, err := user.LookupGroup(name); err != nil {
			return fmt.Errorf("the service would be a member of it: %w: make it, and let it own what the service needs of it", err)
		}
	}
	text, err := Unit(c)
	if err != nil {
		return err
	}
	path := s.Path(c.Name)
	if err := s.own(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.makeUser(); err != nil {
		return err
	}
	if err := replace(path, text); err != nil {
		return err
	}
	name := UnitName(c.Name)
	if err := s.run("systemctl", "daemon-reload"); err != nil {
		return err
	}
	if err := s.run("systemctl", "enable", name); err != nil {
		return err
	}
	if err := s.run("systemctl", "restart", name); err != nil {
		return fmt.Errorf("%s is installed and doesn't run: %w: see journalctl -u %s", path, err, name)
	}
	return nil
}

// Uninstall stops the service of a capture and removes its unit. The captures, and the
// user, stay. Where there is no such unit the error is fs.ErrNotExist.
func (s *System) Uninstall(name string) error {
	if err := s.ready(); err != nil {
		return err
	}
	path := s.Path(name)
	if err := s.own(path); err != nil {
		return err
	}
	if err := s.run("systemctl", "disable", "--now", UnitName(name)); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return s.run("systemctl", "daemon-reload")
}

// own sees that a unit file is one that Install wrote.
func (s *System) own(path string) error {
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if st.Mode().IsRegular() {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasPrefix(string(b), mark+"\n") {
			return nil
		}
	}
	return fmt.Errorf("%s: it was not written by netcap service install: move it away, or choose another --name", path)
}

// makeUser makes the system user, if it is missing.
func (s *System) makeUser() error {
	_, err := user.Lookup(User)
	var unknown user.UnknownUserError
	if !errors.As(err, &unknown) {
		return err
	}
	return s.run("useradd", "--system", "--user-group", "--home-dir", "/var/lib/netcap", "--no-create-home", "--shell", "/usr/sbin/nologin", "--comment", "netcap packet capture", User)
}

// replace puts a file in the place of another, whole or not at all.
func replace(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".netcap-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
