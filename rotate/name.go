package rotate

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// nameTime is how a file's start stands in its name, in UTC.
const nameTime = "20060102T150405Z"

// fileName is NAME-20261123T130405Z-000001.pcapng, taken apart.
type fileName struct {
	set   string
	start time.Time // to the second
	seq   uint64
	ext   string // with the dot; two of them where it was compressed
}

func (n fileName) String() string { return n.stem() + n.ext }

// stem is the name without what compression changes.
func (n fileName) stem() string {
	return fmt.Sprintf("%s-%s-%06d", n.set, n.start.UTC().Format(nameTime), n.seq)
}

// key tells the files of a set apart, whether they are compressed or not.
type key struct {
	start int64 // s since the epoch
	seq   uint64
}

func (n fileName) key() key { return key{n.start.Unix(), n.seq} }

// ParseName takes the name of a set's file apart: the set's name, when the file
// was begun (UTC, to the second), its number in the sequence, and its extension
// with the dot. ok says whether it is such a name; whose file it is, is another
// question.
func ParseName(file string) (set string, start time.Time, seq uint64, ext string, ok bool) {
	n, ok := parseName(file)
	return n.set, n.start, n.seq, n.ext, ok
}

// parseName takes a file's name apart, and reports whether it is one that a
// set writes: anything that String wouldn't give is not.
func parseName(s string) (fileName, bool) {
	// The set's name may hold dots and dashes, and even look like a file's, so
	// time and number are looked for from the end.
	for end := len(s); ; {
		dot := strings.LastIndexByte(s[:end], '.')
		if dot < 0 {
			return fileName{}, false
		}
		if n, ok := parseStem(s[:dot]); ok {
			n.ext = s[dot:]
			if n.String() == s && CheckName(n.set) == nil && checkExt(n.ext) == nil {
				return n, true
			}
			return fileName{}, false
		}
		end = dot
	}
}

func parseStem(stem string) (fileName, bool) {
	rest, number, ok := cutLast(stem, "-")
	if !ok {
		return fileName{}, false
	}
	set, start, ok := cutLast(rest, "-")
	if !ok {
		return fileName{}, false
	}
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return fileName{}, false
	}
	t, err := time.Parse(nameTime, start)
	if err != nil {
		return fileName{}, false
	}
	return fileName{set: set, start: t, seq: seq}, true
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// isCapture reports whether an extension is one that a set's file can have
// which is begun with ext: its own, that of another format of an earlier run,
// and what compression makes of them. What people put beside the files, such as
// FILE.pcapng.txt, is theirs.
func isCapture(extension, ext string) bool {
	for _, suffix := range compressedExts {
		extension = strings.TrimSuffix(extension, suffix)
	}
	return extension == ext || extension == ".pcapng" || extension == ".pcap"
}

// compressedExts are what compression appends to a name.
var compressedExts = [...]string{".gz", ".zst"}

// CheckName refuses names for a set that would lead out of the directory, hide
// the files, or make a mess of a terminal.
func CheckName(name string) error {
	if i := strings.IndexFunc(name, unfit); i >= 0 {
		return fmt.Errorf("name %q: only letters, digits and -_.@+ may be used", name)
	}
	if name == "" || name[0] == '.' || name[0] == '-' || len(name) > 100 {
		return fmt.Errorf("name %q: must have 1 to 100 characters and not begin with a dot or a dash", name)
	}
	return nil
}

// checkExt does the same for extensions.
func checkExt(ext string) error {
	if len(ext) < 2 || len(ext) > 32 || ext[0] != '.' || strings.IndexFunc(ext, unfit) >= 0 {
		return fmt.Errorf("extension %q: must be a dot and up to 31 letters, digits and -_.@+", ext)
	}
	return nil
}

func unfit(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.@+", r))
}
