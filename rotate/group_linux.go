package rotate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"netcap/internal/fileset"
)

// Modes of files that nobody but their owner reads, and of those that a group may.
const (
	privateMode = fileset.Private
	sharedMode  = fileset.Shared
	sharedDir   = 0o750
)

// FileMode is the mode of the files that are made.
func (c *Config) FileMode() fs.FileMode {
	if c.Group != nil {
		return sharedMode
	}
	return privateMode
}

// CanShare says why files can't be made for Group, nil if they can: the process has it for its
// effective group, or is a member of it and owns the directory, which can be given to it then.
func (c *Config) CanShare() error {
	if c.Group == nil || os.Getegid() == *c.Group {
		return nil
	}
	members, err := os.Getgroups()
	if err != nil {
		return os.NewSyscallError("getgroups", err)
	}
	if slices.Contains(members, *c.Group) && c.OwnDir {
		return nil
	}
	return fmt.Errorf("files can't be made for group %d: %w: be root, or run netcap with that group (sg GROUP -c …)", *c.Group, fs.ErrPermission)
}

// share has the group read the directory, if that is the set's own, and what there is of the
// set by now.
func (d *directory) share(c *Config) error {
	if c.Group == nil || c.Stream != nil {
		return nil
	}
	d.mode = sharedMode
	if c.OwnDir {
		mode := fs.FileMode(sharedDir)
		if os.Getegid() != *c.Group {
			mode |= fs.ModeSetgid // what is made there has the directory's group
		}
		if err := errors.Join(d.file.Chown(-1, *c.Group), d.file.Chmod(mode)); err != nil {
			return fmt.Errorf("letting group %d read %s: %w", *c.Group, d.path, err)
		}
	}
	if c.Name == "" {
		return nil
	}
	names, err := d.file.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	if _, err := d.file.Seek(0, 0); err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	for _, name := range names {
		if !fileset.Has(c.Name, name) {
			continue
		}
		if err := d.shareFile(name, *c.Group); err != nil {
			return fmt.Errorf("letting group %d read %s: %w", *c.Group, filepath.Join(d.path, name), err)
		}
	}
	return nil
}

func (d *directory) shareFile(name string, gid int) error {
	f, err := d.root.OpenFile(name, os.O_RDONLY|unix.O_LARGEFILE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !handedOver(st) {
		return err
	}
	return errors.Join(f.Chown(-1, gid), f.Chmod(sharedMode))
}
