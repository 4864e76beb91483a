package pcapfile

import (
	"errors"
	"fmt"
	"io"
)

// ErrFormat is what NewReader returns, wrapped in an error that says what was
// found instead, for input that is neither pcap nor pcapng.
var ErrFormat = errors.New("not a pcap or pcapng file")

// Format is a file format.
type Format uint8

// The formats a Reader knows.
const (
	_ Format = iota
	PCAP
	PCAPNG
)

// String returns "pcap" or "pcapng".
func (f Format) String() string {
	switch f {
	case PCAP:
		return "pcap"
	case PCAPNG:
		return "pcapng"
	default:
		return fmt.Sprintf("Format(%d)", uint8(f))
	}
}

// what names the unit that a file of the format consists of.
func (f Format) what() string {
	if f == PCAP {
		return "pcap record"
	}
	return "pcapng block"
}

// FormatError reports bytes that break the rules of the file format.
type FormatError struct {
	Format Format
	Offset int64  // where the offending record or block begins in the file
	Reason string // what is wrong with it

	// Another says that the header of another capture stands at Offset: two files were
	// put behind one another, or a program went on in a file that was torn.
	Another bool
}

func (e *FormatError) Error() string {
	if e.Another {
		return fmt.Sprintf("another capture begins at %d (%s at offset %d)", e.Offset, e.Reason, e.Offset)
	}
	if e.Format == PCAP && e.Offset == 0 {
		return "pcap file header: " + e.Reason
	}
	return fmt.Sprintf("%s at offset %d: %s", e.Format.what(), e.Offset, e.Reason)
}

// TruncatedError reports a file that ends inside a record or block, as after a
// crash or while it is being written. It is an io.ErrUnexpectedEOF.
type TruncatedError struct {
	Format    Format
	Offset    int64 // where the torn record or block begins in the file
	Remaining int64 // bytes from there to the end of the file
	Size      int64 // bytes it should have had; 0 if its header is torn too
}

func (e *TruncatedError) Error() string {
	what := fmt.Sprintf("%s at offset %d", e.Format.what(), e.Offset)
	if e.Format == PCAP && e.Offset == 0 {
		what = "pcap file header"
	}
	if e.Size == 0 {
		return fmt.Sprintf("%s is cut short: the file ends %d bytes into it", what, e.Remaining)
	}
	return fmt.Sprintf("%s is cut short: %d of %d bytes", what, e.Remaining, e.Size)
}

// Unwrap makes errors.Is(err, io.ErrUnexpectedEOF) true.
func (e *TruncatedError) Unwrap() error { return io.ErrUnexpectedEOF }

// unrecognised describes the beginning of a file that is not a capture.
func unrecognised(b []byte) error {
	if len(b) == 0 {
		return fmt.Errorf("%w: it is empty", ErrFormat)
	}
	for _, s := range signatures {
		if len(b) >= len(s.magic) && string(b[:len(s.magic)]) == s.magic {
			return fmt.Errorf("%w: %s", ErrFormat, s.hint)
		}
	}
	if len(b) < 4 {
		return fmt.Errorf("%w: it has only %d bytes (%w)", ErrFormat, len(b), io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("%w: it begins with bytes %x", ErrFormat, b[:4])
}

var signatures = []struct{ magic, hint string }{
	{"\x1f\x8b", "it is compressed with gzip"},
	{"\x28\xb5\x2f\xfd", "it is compressed with zstd"},
	{"\xfd7zX", "it is compressed with xz"},
	{"BZh", "it is compressed with bzip2"},
	{"\x04\x22\x4d\x18", "it is compressed with lz4"},
	{"PK\x03\x04", "it is a zip archive"},
	{"snoo", "it is a Solaris snoop capture"},
	{"RTSS", "it is a Microsoft Network Monitor capture"},
	{"GMBU", "it is a Microsoft Network Monitor capture"},
	{"\xac\x01\x00\x1c", "it is an Ixia capture"},
	{"\xab\x01\x00\x1c", "it is an Ixia capture"},
	{"\x1c\x00\x01\xac", "it is an Ixia capture"},
	{"\x1c\x00\x01\xab", "it is an Ixia capture"},
	{"\n\r\r\n", "it begins like pcapng, but no section header follows"},
	{"\n\n\n", "it looks like pcapng damaged by a transfer in text mode"},
	{"\x00\x00\x00\x00", "it begins with zeros"},
	{"<", "it looks like XML or HTML"},
	{"{", "it looks like JSON"},
}
