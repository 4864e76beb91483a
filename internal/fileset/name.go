package fileset

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// nameTime is how a file's start stands in its name, in UTC.
const nameTime = "20060102T150405Z"

// File is the name of a set's file, taken apart.
type File struct {
	Set   string
	Start time.Time // UTC, to the second
	Seq   uint64    // its number in the sequence
	Ext   string    // as it was begun, with the dot: .pcapng
	// Suffix is what was appended when the file was made into another one, .zst; several of them
	// where that was done again. "" for a file as it was begun.
	Suffix string
}

// Parse takes a file's name, without a directory, apart. ok says whether it is one that a set's
// file can have; whose file it is, and whether it is a capture, are other questions.
func Parse(name string) (f File, ok bool) {
	// The set's name may hold dots and dashes, and even look like a file's, so time and number
	// are looked for from the end.
	for end := len(name); ; {
		dot := strings.LastIndexByte(name[:end], '.')
		if dot < 0 {
			return File{}, false
		}
		if f, ok = parseStem(name[:dot]); ok {
			if CheckExt(name[dot:]) != nil || CheckName(f.Set) != nil {
				return File{}, false
			}
			f.Ext, f.Suffix = cutSuffixes(name[dot:])
			if f.String() != name {
				return File{}, false
			}
			return f, true
		}
		end = dot
	}
}

// ParsePath is Parse of the last element of a path, and the directory that it is in.
func ParsePath(path string) (dir string, f File, ok bool) {
	f, ok = Parse(filepath.Base(path))
	return filepath.Dir(path), f, ok
}

func parseStem(stem string) (File, bool) {
	rest, number, ok := cutLast(stem, "-")
	if !ok {
		return File{}, false
	}
	set, start, ok := cutLast(rest, "-")
	if !ok {
		return File{}, false
	}
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return File{}, false
	}
	t, err := time.Parse(nameTime, start)
	if err != nil {
		return File{}, false
	}
	return File{Set: set, Start: t, Seq: seq}, true
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// String is the file's name.
func (f File) String() string { return f.Stem() + f.Ext + f.Suffix }

// Stem is the name without what tells formats apart, which stays the same whatever the file is
// made into.
func (f File) Stem() string {
	return fmt.Sprintf("%s-%s-%06d", f.Set, f.Start.UTC().Format(nameTime), f.Seq)
}

// Begun is the file as it was begun, before it was compressed.
func (f File) Begun() File {
	f.Suffix = ""
	return f
}

// Key tells the files of a set apart, whether they are compressed or not.
type Key struct {
	Start int64 // s since the epoch
	Seq   uint64
}

// Key returns the file's.
func (f File) Key() Key { return Key{f.Start.Unix(), f.Seq} }

// IsCapture reports whether the file is a capture of a set that begins its files with ext, ""
// for any: it is called so, or as an earlier run with another format has it. What people put
// beside the files, such as FILE.pcapng.txt, is theirs.
func (f File) IsCapture(ext string) bool {
	return f.Ext == ".pcapng" || f.Ext == ".pcap" || ext != "" && f.Ext == ext
}

// Suffixes of names that compression gives.
const (
	Gzip = ".gz"
	Zstd = ".zst"
)

// suffixes are what netcap appends to a name when it makes another file of a finished one.
var suffixes = [...]string{Gzip, Zstd}

// cutSuffixes parts an extension from what was appended to it.
func cutSuffixes(whole string) (ext, suffix string) {
	ext = whole
	for cut := true; cut; {
		cut = false
		for _, s := range suffixes {
			if rest, ok := strings.CutSuffix(ext, s); ok && rest != "" {
				ext, cut = rest, true
			}
		}
	}
	return ext, whole[len(ext):]
}

// Variants are the names, or paths, that a file may have which was begun as one: that itself,
// then those that compression gives.
func Variants(begun string) []string {
	names := []string{begun}
	for _, s := range suffixes {
		names = append(names, begun+s)
	}
	return names
}

// Ledger is the name of the file that has a set's gaps and what became of its files.
func Ledger(set string) string { return set + ledgerExt }

const ledgerExt = ".ledger"

// Holds is the name of the file that has a set's holds.
func Holds(set string) string { return set + ".holds" }

// Lock is the name of the file that is locked while a capture writes a set.
func Lock(set string) string { return "." + set + ".lock" }

// HoldsLock is the name of the file that is locked while a set's holds are changed.
func HoldsLock(set string) string { return "." + set + ".holds.lock" }

// Beside are the names of all that a set has beside its files.
func Beside(set string) []string {
	return []string{Ledger(set), Holds(set), HoldsLock(set), Lock(set)}
}

// Has reports whether a file of that name, without a directory, belongs to a set: one of its files,
// or what it has beside them.
func Has(set, name string) bool {
	f, ok := Parse(name)
	return ok && f.Set == set || slices.Contains(Beside(set), name)
}

// CheckName refuses names for a set that would lead out of the directory, hide the files, or
// make a mess of a terminal.
func CheckName(name string) error {
	if i := strings.IndexFunc(name, unfit); i >= 0 {
		return fmt.Errorf("name %q: only letters, digits and -_.@+ may be used", name)
	}
	if name == "" || name[0] == '.' || name[0] == '-' || len(name) > 100 {
		return fmt.Errorf("name %q: must have 1 to 100 characters and not begin with a dot or a dash", name)
	}
	return nil
}

// CheckExt does the same for extensions.
func CheckExt(ext string) error {
	if len(ext) < 2 || len(ext) > 32 || ext[0] != '.' || strings.IndexFunc(ext, unfit) >= 0 {
		return fmt.Errorf("extension %q: must be a dot and up to 31 letters, digits and -_.@+", ext)
	}
	return nil
}

func unfit(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.@+", r))
}
