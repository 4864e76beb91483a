package report

import (
	"path/filepath"
	"slices"
	"time"

	"netcap/internal/fileset"
	"netcap/internal/holds"
)

// markHeld notes which files of a directory's sets, by set and sequence, are on hold.
func markHeld(files []File) error {
	for first := 0; first < len(files); {
		set, dir := files[first].set, filepath.Dir(files[first].Path)
		end := first + 1
		for end < len(files) && files[end].set == set {
			end++
		}
		all, err := holds.List(dir, set)
		if err != nil {
			return err
		}
		for i := first; i < end; i++ {
			files[i].Held = heldAt(files[first:end], i-first, all)
		}
		first = end
	}
	return nil
}

// Held tells each file of a set that a hold covers, oldest first.
func Held(dir, set string, by []holds.Hold, tell func(path string, bytes int64)) error {
	entries, err := fileset.List(dir, set)
	if err != nil {
		return FileError(dir, err)
	}
	var files []File
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		st, err := e.Info()
		if err != nil {
			continue // it has just been deleted
		}
		files = append(files, File{Path: filepath.Join(dir, e.Name()), Sequence: e.Seq, Bytes: st.Size(), set: set, start: e.Start})
	}
	for i := range files {
		if heldAt(files, i, by) {
			tell(files[i].Path, files[i].Bytes)
		}
	}
	return nil
}

// heldAt reports whether a file of a set, sorted by sequence, is on hold. It ends where
// the next one begins.
func heldAt(files []File, i int, by []holds.Hold) bool {
	var over time.Time
	if i+1 < len(files) {
		over = files[i+1].start.Add(time.Second) // names are exact to the second
	}
	return slices.ContainsFunc(by, func(h holds.Hold) bool { return h.Covers(files[i].start, over) })
}
