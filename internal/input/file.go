package input

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"netcap/pcapfile"
)

// A File is an open capture. Its Reader's packets are valid until the Reader's next Next;
// what the Reader says of interfaces, names and so on remains after Close.
type File struct {
	// Path is as it was given, "standard input" for -.
	Path string
	// Compression is "none", "gzip", "zstd", "lz4", "xz" or "bzip2".
	Compression string
	*pcapfile.Reader

	source  *source
	content *counter // of the capture, decompressed
	size    int64
	windows *Windows // nil: its own
	claimed int64    // of them, in bytes
	close   func() error
}

// Open opens the capture at a path: a file, perhaps a compressed one, or stdin if the path
// is "-". The error is a *FileError; it wraps pcapfile.ErrFormat if there is no capture.
func Open(path string, stdin io.Reader) (*File, error) {
	return open(path, stdin, wholeWindow, nil)
}

// OpenWithin opens a file as Open does, one of several whose decompressors have a bound in
// common.
func OpenWithin(path string, stdin io.Reader, w *Windows) (*File, error) {
	return open(path, stdin, wholeWindow, w)
}

// How much is read at a time: of a file, and of one whose first packet is wanted.
const (
	wholeWindow = 256 << 10
	peekWindow  = 16 << 10
)

func open(path string, stdin io.Reader, window int, w *Windows) (*File, error) {
	if path == "-" {
		const name = "standard input"
		if stdin == nil {
			return nil, fileError(name, errors.New("there is none"))
		}
		return newFile(name, stdin, -1, window, w, func() error { return nil })
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	st, err := f.Stat()
	if err == nil && st.IsDir() {
		err = errors.New("is a directory")
	}
	if err != nil {
		f.Close()
		return nil, fileError(path, err)
	}
	size := int64(-1)
	if st.Mode().IsRegular() {
		size = st.Size()
	}
	return newFile(path, f, size, window, w, f.Close)
}

// newFile reads a capture's header. The size is -1 for what isn't a regular file.
func newFile(path string, r io.Reader, size int64, window int, w *Windows, closeFile func() error) (*File, error) {
	f := &File{Path: path, Compression: None, source: &source{r: r}, size: size, windows: w, close: closeFile}
	if err := f.begin(window); err != nil {
		f.Close()
		return nil, fileError(path, err)
	}
	return f, nil
}

func (f *File) begin(window int) (err error) {
	// What isn't compressed is read past the buffer, once that is empty.
	buffered := bufio.NewReaderSize(f.source, min(window, 64<<10))
	m, err := detect(buffered)
	if err != nil {
		return err
	}
	var content io.Reader = buffered
	if m != nil {
		if content, err = f.decompress(m, buffered); err != nil {
			return err
		}
	}
	f.content = &counter{r: content}
	f.Reader, err = pcapfile.NewReaderSize(f.content, window)
	return err
}

// decompress has a goroutine of its own decompress.
func (f *File) decompress(m *method, r *bufio.Reader) (io.Reader, error) {
	f.Compression = m.name
	fail := func(err error) error {
		if errors.Is(err, io.EOF) {
			return err
		}
		return &CompressionError{m.name, f.source.n.Load(), err}
	}
	most, err := f.claim(m, r)
	if err != nil {
		return nil, err
	}
	plain, end, err := m.open(r, most)
	if err != nil {
		return nil, fail(err)
	}
	a := newAhead(&explained{plain, fail})
	closeFile := f.close
	f.close = func() error {
		// A read of a pipe may wait for ever, and hold the goroutine.
		regular := f.size >= 0
		a.close(regular)
		if regular || a.done == nil {
			end()
		}
		return closeFile()
	}
	return a, nil
}

// claim returns how large a window may be, once that is claimed beside those of other files.
func (f *File) claim(m *method, r *bufio.Reader) (most int64, err error) {
	if f.windows == nil || m.window == nil {
		return maxWindow, nil
	}
	n := m.window(r)
	if n <= smallWindow || n > maxWindow { // which will be refused
		return min(max(n, smallWindow), maxWindow), nil
	}
	if err := f.windows.take(n); err != nil {
		return 0, err
	}
	f.claimed = n
	return n, nil
}

// BytesRead is how many bytes of the file, as it is on the disk, were read by now. Any
// goroutine may ask.
func (f *File) BytesRead() int64 { return f.source.n.Load() }

// Size is that of the file when it was opened, in bytes, and -1 for what isn't a regular
// file.
func (f *File) Size() int64 { return f.size }

// Rest reads to the end of the file, after an error, and returns how many bytes of the
// capture, decompressed, are behind its last whole packet.
func (f *File) Rest() (int64, error) {
	_, err := io.Copy(io.Discard, f.content)
	return f.content.n - f.Offset(), err
}

// Close closes the file.
func (f *File) Close() error {
	if f.close == nil {
		return nil
	}
	closeFile := f.close
	f.close = nil
	if f.content != nil {
		// Who asks later what the file said needs no decompressor for it.
		f.content.r = closed{}
	}
	err := closeFile()
	if f.claimed > 0 { // what it was for is no more
		f.windows.give(f.claimed)
	}
	return err
}

// closed is what remains of the bytes of a file.
type closed struct{}

func (closed) Read([]byte) (int, error) { return 0, fs.ErrClosed }

// source counts what is read of a file.
type source struct {
	r io.Reader
	n atomic.Int64
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	s.n.Add(int64(n))
	return n, err
}

// counter counts as well, for one goroutine.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}
