package input

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/pierrec/lz4/v4"
)

// maxWindow bounds what a file can have a decompressor keep, in bytes: the most that zstd
// itself accepts unasked. xz -9 takes half of it.
const maxWindow = 128 << 20

// None is the Compression of a file that is not compressed.
const None = "none"

// method is a way of compression.
type method struct {
	name  string
	magic string
	// open begins to decompress; a window or dictionary of more than most bytes is refused.
	open func(r *bufio.Reader, most int64) (io.Reader, func(), error)
	// window is what the beginning claims for a window, nil where it is small always.
	window func(r *bufio.Reader) int64
}

var methods = []method{
	{"gzip", "\x1f\x8b", openGzip, nil},
	{"zstd", "\x28\xb5\x2f\xfd", openZstd, zstdWindow},
	{"lz4", "\x04\x22\x4d\x18", openLZ4, nil},
	{"lz4", "\x02\x21\x4c\x18", openLZ4, nil}, // its first format, which the Linux kernel uses
	{"xz", "\xfd7zXZ\x00", openXZ, xzWindow},
	{"bzip2", "BZh", openBzip2, nil},
}

// magicSize is how many bytes tell them all.
const magicSize = 6

// CompressionOf tells by which method a file is compressed that begins with some bytes, 6 or
// more; "" if by none.
func CompressionOf(head []byte) string {
	for i := range methods {
		if bytes.HasPrefix(head, []byte(methods[i].magic)) {
			return methods[i].name
		}
	}
	return ""
}

// Skippable frames may precede zstd and lz4, which have them in common.
const (
	skippable     = 0x184d2a50 // to 0x184d2a5f
	skippableMask = ^uint32(15)
	maxSkippable  = 16
)

// detect returns the method of what r delivers, nil for none.
func detect(r *bufio.Reader) (*method, error) {
	for range maxSkippable {
		b, err := r.Peek(magicSize)
		for i := range methods {
			if bytes.HasPrefix(b, []byte(methods[i].magic)) {
				return &methods[i], nil
			}
		}
		if len(b) < 4 || binary.LittleEndian.Uint32(b)&skippableMask != skippable {
			if err != nil && err != io.EOF {
				return nil, err
			}
			return nil, nil
		}
		if b, err = r.Peek(8); err != nil {
			return nil, fmt.Errorf("skippable frame: %w", noEOF(err))
		}
		size := int64(binary.LittleEndian.Uint32(b[4:]))
		if _, err := io.CopyN(io.Discard, r, 8+size); err != nil {
			return nil, fmt.Errorf("skippable frame: %w", noEOF(err))
		}
	}
	return nil, fmt.Errorf("it begins with more than %d skippable frames", maxSkippable)
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// gzipMembers reads one member after the other, and what gzip(1) does: zeros behind the
// last one are padding.
type gzipMembers struct {
	r  *bufio.Reader
	gz *gzip.Reader
}

func openGzip(r *bufio.Reader, _ int64) (io.Reader, func(), error) {
	gz, err := gzip.NewReader(r)
	if err != nil {
		return nil, nil, noEOF(err)
	}
	gz.Multistream(false)
	return &gzipMembers{r, gz}, func() {}, nil
}

func (g *gzipMembers) Read(b []byte) (int, error) {
	for {
		n, err := g.gz.Read(b)
		if n > 0 && err == io.EOF {
			return n, nil
		}
		if err != io.EOF {
			return n, err
		}
		if err := g.next(); err != nil {
			return 0, err
		}
	}
}

func (g *gzipMembers) next() error {
	head, err := g.r.Peek(2)
	switch {
	case len(head) == 0:
		return err
	case head[0] == 0:
		for {
			switch c, err := g.r.ReadByte(); {
			case err != nil:
				return err
			case c != 0:
				return errors.New("something that isn't gzip follows")
			}
		}
	case !bytes.HasPrefix([]byte(methods[0].magic), head):
		return errors.New("something that isn't gzip follows")
	}
	if err := g.gz.Reset(g.r); err != nil {
		return noEOF(err)
	}
	g.gz.Multistream(false)
	return nil
}

func openZstd(r *bufio.Reader, most int64) (io.Reader, func(), error) {
	// One thread: another one reads ahead.
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(uint64(most)), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, nil, noEOF(err)
	}
	return &explained{d, func(err error) error {
		if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			return tooLarge(most, "zstd -d --long=31")
		}
		return err
	}}, d.Close, nil
}

func openLZ4(r *bufio.Reader, _ int64) (io.Reader, func(), error) {
	return &nonEmpty{lz4.NewReader(r)}, func() {}, nil
}

func openXZ(r *bufio.Reader, most int64) (io.Reader, func(), error) {
	explain := func(err error) error {
		if errors.Is(err, xz.ErrMemlimit) {
			return tooLarge(most, "xz -d")
		}
		if _, end := r.Peek(1); errors.Is(err, xz.ErrBuf) && end == io.EOF {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	x, err := xz.NewReader(r, uint32(most))
	if err != nil {
		return nil, nil, explain(err)
	}
	return &explained{x, explain}, func() {}, nil
}

func openBzip2(r *bufio.Reader, _ int64) (io.Reader, func(), error) {
	return bzip2.NewReader(r), func() {}, nil
}

func tooLarge(most int64, command string) error {
	return fmt.Errorf("it takes more than %d MiB of memory, which netcap doesn't give to a file: decompress it with %s", most>>20, command)
}

// explained has errors put in better words.
type explained struct {
	io.Reader
	explain func(error) error
}

func (e *explained) Read(b []byte) (int, error) {
	n, err := e.Reader.Read(b)
	if err != nil && err != io.EOF {
		err = e.explain(err)
	}
	return n, err
}

// nonEmpty reads on where nothing comes, and no error: an empty block.
type nonEmpty struct{ io.Reader }

func (r *nonEmpty) Read(b []byte) (int, error) {
	for {
		if n, err := r.Reader.Read(b); n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
	}
}
