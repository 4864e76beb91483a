package ownfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ExplainDir says of a refusal who is refused what, and what to do.
func ExplainDir(path string, err error) error {
	if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, unix.EROFS) {
		return err
	}
	owner := ""
	for dir := path; ; dir = filepath.Dir(dir) {
		st, statErr := os.Stat(dir)
		if statErr == nil {
			owner = fmt.Sprintf("%s is owned by %s, mode %v", dir, userName(ownerOf(st)), st.Mode().Perm())
			break
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	do := "choose another directory with --dir or -w, or run as its owner or with sudo"
	if errors.Is(err, unix.EROFS) {
		do = "choose a directory on a file system that can be written, with --dir or -w"
	} else if os.Geteuid() == 0 {
		do = "root is refused by network file systems with root squash, and by AppArmor or SELinux; choose another directory with --dir or -w"
	}
	return fmt.Errorf("%w (running as %s; %s): %s", err, userName(uint32(os.Geteuid())), owner, do)
}
