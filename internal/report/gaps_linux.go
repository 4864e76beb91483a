package report

import (
	"os"
	"slices"
	"strings"
	"time"

	"netcap/internal/ledger"
	"netcap/rotate"
)

// SetGaps is what is known of the completeness of a set.
type SetGaps struct {
	Dir, Name string
	Running   bool
	*ledger.Record
}

// Gaps reads what the ledgers of the sets in a directory say, by the sets' names.
func Gaps(dir string, now time.Time) ([]SetGaps, error) {
	names, err := SetsIn(dir)
	if err != nil {
		return nil, err
	}
	var all []SetGaps
	for _, name := range names {
		running := rotate.Running(dir, name)
		r, err := ledger.Read(dir, name, running, now)
		if err != nil {
			return all, FileError(dir, err)
		}
		all = append(all, SetGaps{dir, name, running, r})
	}
	return all, nil
}

// SetsIn returns, in alphabetical order, the names of the sets that have
// a ledger or files in a directory.
func SetsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, FileError(dir, err)
	}
	var names []string
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if set, _, _, _, ok := rotate.ParseName(e.Name()); ok {
			names = append(names, set)
		} else if set, ok := strings.CutSuffix(e.Name(), ledger.FileName("")); ok && rotate.CheckName(set) == nil {
			names = append(names, set)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
