package input

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrTooMuch is returned by At for what it would take too long to look at.
var ErrTooMuch = errors.New("it would take too long")

// Bounds of what At decompresses.
const (
	atWindow = 16 << 20 // bytes kept, behind the last that was read
	atAgain  = 4        // times that it begins anew for what is no longer kept
	atMost   = 4 << 30  // bytes in all
)

// At reads the bytes of a file anywhere, decompressed: forwards as they come, a little back from
// memory, and farther back from the beginning again, a few times. It is for one goroutine.
type At struct {
	path    string
	windows *Windows
	size    int64

	file    *File
	content io.Reader
	kept    []byte // the last bytes that were read
	end     int64  // of these
	again   int
	read    int64 // in all
}

// NewAt opens the file at a path. How much of it there is, decompressed, is for the caller to
// say; -1 if that isn't known.
func NewAt(path string, w *Windows, size int64) (*At, error) {
	a := &At{path: path, windows: w, size: size}
	if size > atMost {
		return nil, tooMuch()
	}
	if err := a.begin(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// begin opens the file.
func (a *At) begin() error {
	if a.file != nil {
		if err := a.file.Close(); err != nil {
			return err
		}
		a.file = nil
	}
	in, err := os.Open(a.path)
	if err != nil {
		return err
	}
	st, err := in.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("no regular file")
	}
	if err != nil {
		in.Close()
		return err
	}
	f := &File{Path: a.path, Compression: None, source: &source{r: in}, size: st.Size(), windows: a.windows, close: in.Close}
	a.file, a.kept, a.end = f, a.kept[:0], 0
	buffered := bufio.NewReaderSize(f.source, wholeWindow)
	m, err := detect(buffered)
	if err != nil {
		return err
	}
	a.content = buffered
	if m != nil && m.window != nil {
		// What the decompressor before took may not have been given back yet.
		if n := m.window(buffered); n > smallWindow {
			return fmt.Errorf("%w, and %d MiB of memory", ErrTooMuch, n>>20)
		}
	}
	if m != nil {
		a.content, err = f.decompress(m, buffered)
	}
	return err
}

// Compression is that of the file, as File has it.
func (a *At) Compression() string { return a.file.Compression }

// Size is how many bytes there are, decompressed. If that wasn't known, all are read.
func (a *At) Size() (int64, error) {
	if a.size >= 0 {
		return a.size, nil
	}
	if err := a.forward(1<<63 - 1); err != nil && !ended(err) {
		return 0, err
	}
	a.size = a.end
	return a.size, nil
}

// ended reports whether an error is where the bytes end that can be had.
func ended(err error) bool {
	var damaged *CompressionError
	return errors.Is(err, io.EOF) || errors.As(err, &damaged)
}

func tooMuch() error {
	return fmt.Errorf("%w: decompressed it is more than %d GiB", ErrTooMuch, int64(atMost)>>30)
}

// forward reads up to an offset.
func (a *At) forward(to int64) error {
	if a.kept == nil {
		a.kept = make([]byte, 0, 2*atWindow)
	}
	for a.end < to {
		if a.read >= atMost {
			return tooMuch()
		}
		if len(a.kept) == cap(a.kept) {
			a.kept = a.kept[:copy(a.kept, a.kept[len(a.kept)-atWindow:])]
		}
		n := min(int64(cap(a.kept)-len(a.kept)), to-a.end, wholeWindow)
		got, err := a.content.Read(a.kept[len(a.kept) : len(a.kept)+int(n)])
		a.kept = a.kept[:len(a.kept)+got]
		a.end += int64(got)
		a.read += int64(got)
		if err != nil && a.end < to {
			return err
		}
	}
	return nil
}

// ReadAt implements io.ReaderAt. The bytes end where they can't be decompressed any more, or
// where the size is that was given. The error is ErrTooMuch if it would take too long.
func (a *At) ReadAt(b []byte, off int64) (int, error) {
	if a.size >= 0 {
		if off >= a.size {
			return 0, io.EOF
		}
		if rest := a.size - off; int64(len(b)) > rest {
			n, err := a.ReadAt(b[:rest], off)
			if err == nil {
				err = io.EOF
			}
			return n, err
		}
	}
	n := 0
	for n < len(b) {
		if off < a.end-int64(len(a.kept)) {
			if a.again++; a.again > atAgain {
				return n, fmt.Errorf("%w: it is decompressed from its beginning again and again", ErrTooMuch)
			}
			if err := a.begin(); err != nil {
				return n, err
			}
		}
		// Not more at once than is kept.
		err := a.forward(off + min(int64(len(b)-n), atWindow))
		start := a.end - int64(len(a.kept))
		if off < a.end {
			got := copy(b[n:], a.kept[off-start:])
			n, off = n+got, off+int64(got)
		}
		if n < len(b) && err != nil {
			if ended(err) {
				err = io.EOF
			}
			return n, err
		}
	}
	return n, nil
}

// Close closes the file.
func (a *At) Close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}
