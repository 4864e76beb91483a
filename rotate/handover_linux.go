package rotate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"netcap/internal/fileset"
)

// HandOver makes the files of a set another user's, so that a Writer that becomes that user
// goes on, and so do later ones: segments, compressed ones too, the ledger, holds, and what
// locks them; with owns the directory as well, which the user has to be able to write to
// otherwise. A group that has rights keeps them. Files of others than the caller's user, and with several names, stay. set is ""
// for a single file, which is open already.
func HandOver(dir, set string, owns bool, uid, gid int) error {
	if set == "" {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !fileset.Has(set, e.Name()) {
			continue
		}
		if err := handOver(root, e.Name(), uid, gid); err != nil {
			return err
		}
	}
	if !owns {
		return nil
	}
	st, err := d.Stat()
	if err != nil {
		return err
	}
	return d.Chown(uid, groupOf(st, gid))
}

// groupOf is the group that a file gets: where its own has rights it stays that.
func groupOf(st fs.FileInfo, gid int) int {
	const rights = 0o070
	if st.Mode()&rights != 0 {
		return -1
	}
	return gid
}

// HandOverFile makes a single file another user's, as HandOver does those of a set.
func HandOverFile(dir, file string, uid, gid int) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return handOver(root, file, uid, gid)
}

func handOver(root *os.Root, name string, uid, gid int) error {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_LARGEFILE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) || damaged(err) { // the Writer passes over what is damaged, and says so
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !handedOver(st) {
		return nil
	}
	if err := f.Chown(uid, groupOf(st, gid)); err != nil {
		return fmt.Errorf("handing over %s: %w", name, err)
	}
	return nil
}
