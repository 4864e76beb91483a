package fileset

import (
	"cmp"
	"os"
	"slices"
	"strings"
)

// Entry is what a directory has under the name of a set's file.
type Entry struct {
	File
	os.DirEntry
}

// List returns what a directory has under names of a set's files, of all sets for "": by set,
// number and start. Whether they are regular files and captures is for the caller to ask. The
// error is a *fs.PathError.
func List(dir, set string) ([]Entry, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []Entry
	for _, e := range entries {
		if f, ok := Parse(e.Name()); ok && (set == "" || f.Set == set) {
			list = append(list, Entry{f, e})
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return compare(a.File, b.File) })
	return list, nil
}

// compare orders files by set, number, start and name.
func compare(a, b File) int {
	return cmp.Or(strings.Compare(a.Set, b.Set), cmp.Compare(a.Seq, b.Seq), a.Start.Compare(b.Start), strings.Compare(a.Ext+a.Suffix, b.Ext+b.Suffix))
}

// Names returns, in alphabetical order, the names of the sets that have a ledger or files in a
// directory. The error is a *fs.PathError.
func Names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if f, ok := Parse(e.Name()); ok {
			names = append(names, f.Set)
		} else if set, ok := strings.CutSuffix(e.Name(), ledgerExt); ok && CheckName(set) == nil {
			names = append(names, set)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Newest reports whether a set has no later file in a directory. The error is a *fs.PathError.
func Newest(dir string, f File) (bool, error) {
	list, err := List(dir, f.Set)
	return err == nil && (len(list) == 0 || list[len(list)-1].Seq <= f.Seq), err
}
