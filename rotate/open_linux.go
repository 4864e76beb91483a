package rotate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"netcap/internal/ownfile"
)

// prepare opens the directory, and the set. What can be refused is refused
// before anything is created.
func (b *back) prepare() error {
	if err := b.cfg.CanShare(); err != nil {
		return err
	}
	total, free, err := usageOf(b.cfg.Dir)
	if err != nil {
		return err
	}
	if b.lim, err = b.cfg.bounds(total); err != nil {
		return err
	}
	if _, err := os.Lstat(b.cfg.Dir); err != nil && free < b.lim.keepFree {
		return b.tooFull(total, free)
	}
	if b.dir, err = openDirectory(b.cfg.Dir, b.cfg.MakeDir, b.cfg.wayMode()); err != nil {
		return err
	}
	b.dir.mode = b.cfg.FileMode()
	if b.cfg.Name != "" {
		if b.set, err = openSet(b.dir, b.cfg, &b.machine); err != nil {
			return err
		}
		b.began = free + b.set.bytes()
	}
	if err := b.dir.share(b.cfg); err != nil {
		return err
	}
	err = b.makeRoom(b.margin(), trailerRoom)
	if errors.Is(err, errKept) {
		return b.tooMuchKept(err)
	}
	if !errors.Is(err, errNoRoom) {
		return err
	}
	total, free, statErr := b.dir.usage()
	if statErr != nil || free >= b.lim.keepFree+b.margin()+trailerRoom {
		return errors.Join(err, statErr)
	}
	return b.tooFull(total, free)
}

func (b *back) tooFull(total, free int64) error {
	return fmt.Errorf("%s: the disk is full: %s of %s are free, and %s are to be kept free: free some room, choose another directory, or lower --keep-free", b.cfg.Dir, Size(free), Size(total), Size(b.lim.keepFree))
}

func (b *back) tooMuchKept(err error) error {
	return fmt.Errorf("%s: %w: free some room, raise --disk-budget, choose another directory, or lower --keep-at-least", b.cfg.Dir, err)
}

// begin opens the first file and writes its header, before the goroutine runs.
func (b *back) begin(buf *buffer) error {
	if err := b.open(buf.seg); err != nil {
		return err
	}
	b.current.Store(buf)
	length, packets := buf.taken()
	err := b.put(buf, length, packets)
	if err != nil && b.cfg.Stream == nil {
		err = fmt.Errorf("%s: %w", b.cfg.path(b.out.name), err)
	}
	return err
}

// abandon undoes newBack and begin: nothing is left that wasn't there before.
func (b *back) abandon() error {
	var err error
	if b.out != nil {
		err = b.out.close()
		if b.dir != nil {
			err = errors.Join(err, b.dir.root.Remove(b.out.name))
		}
	}
	b.syncer.stop()
	if b.set != nil {
		err = errors.Join(err, b.set.undo())
	}
	err = errors.Join(err, b.release())
	if b.dir != nil {
		err = errors.Join(err, b.dir.unmake())
	}
	return err
}

// release closes what newBack opened.
func (b *back) release() error {
	var err error
	if b.uring != nil {
		err = b.uring.close()
	}
	if b.set != nil {
		err = errors.Join(err, b.set.close())
	}
	if b.dir != nil {
		err = errors.Join(err, b.dir.close())
	}
	return err
}

// openURing returns a ring for the writes, or nil: they go by pwrite(2) then.
func (b *back) openURing() *uring {
	u, err := b.ring()
	if err != nil {
		b.cfg.Log.Debug("writing without io_uring", "because", err)
		return nil
	}
	return u
}

// open opens the file of a segment.
func (b *back) open(seg *segment) error {
	switch {
	case b.cfg.Stream != nil:
		b.out = &output{sink: &stream{w: b.cfg.Stream}}
		b.pieces.Store(true)
	case b.cfg.File == "":
		if err := b.openNext(seg); err != nil {
			return err
		}
	case b.out == nil:
		f, err := b.dir.create(b.cfg.File)
		if err != nil {
			return b.explainFile(err)
		}
		b.opened(f, b.cfg.File, seg.start)
	default:
		seg.base = b.last.base + b.last.end
	}
	seg.out = b.out
	b.last = seg
	b.snapshot()
	return nil
}

// opened notes that a file was made.
func (b *back) opened(f *os.File, name string, start time.Time) {
	b.file = newFile(f, b.uring)
	b.pieces.Store(b.pace.way == cached || b.file.indirect)
	b.out = &output{sink: b.sink(b.file, name), name: name, start: start}
	b.files.Add(1)
	b.syncer.directory()
	if b.cfg.Began != nil {
		b.cfg.Began(FileInfo{Path: b.cfg.path(name), Start: start, Packets: -1})
	}
}

func (b *back) explainFile(err error) error {
	path := filepath.Join(b.dir.path, b.cfg.File)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w, and nothing is ever overwritten: choose another name, move it away, or give -C, -G or -W to write a set beside it", path, fs.ErrExist)
	}
	return ownfile.ExplainDir(b.dir.path, err)
}
