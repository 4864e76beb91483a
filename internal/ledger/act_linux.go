package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"netcap/internal/fileset"
	"netcap/internal/ownfile"
)

// Did enters what somebody did. While the ledger can't be written acts are the first that
// aren't kept.
func (l *Ledger) Did(a Act) {
	a = a.bounded()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.write(line{Act: &a})
	}
}

// errFull is why an act isn't entered any more: the next capture writes the ledger anew.
var errFull = errors.New("the ledger is as large as it may be until a capture runs")

// Append enters an act into the ledger of a set that no capture writes. The caller has the
// set's lock, so that none begins meanwhile. A ledger that isn't there isn't made.
func Append(dir, set string, a Act) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := ownfile.Open(root, fileset.Ledger(set), os.O_RDWR|unix.O_APPEND)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.Size() > 4*most {
		return fmt.Errorf("%s: %w", filepath.Join(dir, fileset.Ledger(set)), errFull)
	}
	a = a.bounded()
	b, err := (&line{Act: &a}).append(nil)
	if err != nil {
		return err
	}
	_, err = f.Write(b) // at once: others may append too
	return err
}
