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

func (n fileName) String() string {
	return fmt.Sprintf("%s-%s-%06d%s", n.set, n.start.UTC().Format(nameTime), n.seq, n.ext)
}

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
	stem, ext, ok := strings.Cut(s, ".")
	if !ok {
		return fileName{}, false
	}
	// The set's name may hold dots and dashes, so the time and the number are
	// looked for from the end.
	for {
		if n, ok := parseStem(stem, "."+ext); ok {
			return n, n.String() == s
		}
		more, rest, ok := strings.Cut(ext, ".")
		if !ok {
			return fileName{}, false
		}
		stem, ext = stem+"."+more, rest
	}
}

func parseStem(stem, ext string) (fileName, bool) {
	rest, number, ok := cutLast(stem, "-")
	if !ok || len(number) < 6 {
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
	return fileName{set, t, seq, ext}, true
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// CheckName refuses names for a set that would lead out of the directory, hide
// the files, or make a mess of a terminal.
func CheckName(name string) error {
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.@+", r)) {
			return fmt.Errorf("name %q: only letters, digits and -_.@+ may be used", name)
		}
	}
	if name == "" || name[0] == '.' || name[0] == '-' || len(name) > 100 {
		return fmt.Errorf("name %q: must begin with a letter or digit and have at most 100 characters", name)
	}
	return nil
}
