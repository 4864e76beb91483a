package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"netcap/internal/fileset"
	"netcap/internal/printable"
	"netcap/internal/report"
)

// setsDir is where captures without --dir keep their sets.
func setsDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/netcap", nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "netcap"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no directory for captures: %w: name one", err)
	}
	return filepath.Join(home, ".local", "state", "netcap"), nil
}

// placesHelp says what commands take.
const placesHelp = `Sets are in /var/lib/netcap (for a user in $XDG_STATE_HOME/netcap), and where captures
were told to write (--dir, -w). A word without a slash is a NAME if a capture is called so,
which runs or ran last there.
`

// known is a capture that runs, or ran, and where it writes.
type known struct {
	name    string
	place   report.Place
	pidFile string
	running bool
}

// finder finds what NAME, DIR and FILE mean: for all commands the same.
type finder struct {
	sets   func() (string, error)  // where captures without --dir keep their sets
	known  func() ([]known, error) // those that run first, then those that began last
	stderr io.Writer               // for what should be known of an answer
}

func newFinder(stderr io.Writer) *finder { return &finder{setsDir, remembered, stderr} }

// captures are those that run, or ran, as far as that can be read.
func (f *finder) captures() []known {
	all, err := f.known()
	if err != nil {
		fmt.Fprintf(f.stderr, "netcap: what captures there are elsewhere can't be read: %v\n", err)
	}
	return all
}

// errNoPlace says that a word is no NAME, no DIR and no FILE.
var errNoPlace = errors.New("no such capture, and no such directory or file")

// all are the places of all sets: those in the directory of sets, and those that captures have
// elsewhere. base is that directory.
func (f *finder) all() (base string, places []report.Place, err error) {
	if base, err = f.sets(); err != nil {
		return "", nil, err
	}
	dirs, err := report.SetDirs(base)
	if err != nil {
		return "", nil, err
	}
	for _, dir := range dirs {
		places = append(places, report.Place{Path: dir})
	}
	for _, c := range f.captures() {
		have := slices.ContainsFunc(places, func(p report.Place) bool {
			return p.Path == c.place.Path && (p.Set == "" || p.Set == c.place.Set)
		})
		if st, err := os.Stat(c.place.Path); !have && c.place.Set != "" && err == nil && st.IsDir() {
			places = append(places, c.place)
		}
	}
	return base, places, nil
}

// find finds what a word means: a NAME, if a capture is called so, else a DIR or a FILE, as with
// a slash in it. errNoPlace, if it means nothing.
func (f *finder) find(word string) (report.Place, error) {
	if word == "" {
		return report.Place{}, usageError{errors.New("the name or directory is empty")}
	}
	if !strings.ContainsRune(word, filepath.Separator) {
		p, err := f.named(word)
		if err != nil || p != (report.Place{}) {
			return p, err
		}
	}
	if _, err := os.Stat(word); errors.Is(err, fs.ErrNotExist) {
		if strings.ContainsRune(word, filepath.Separator) {
			return report.Place{}, report.FileError(word, err)
		}
		return report.Place{}, fmt.Errorf("%s: %w", printable.Text(word), errNoPlace)
	}
	return report.Place{Path: word}, nil
}

// named is where the capture of a name writes, or wrote last; none if there is no such capture.
func (f *finder) named(name string) (report.Place, error) {
	if fileset.CheckName(name) != nil {
		return report.Place{}, nil
	}
	captures := slices.DeleteFunc(f.captures(), func(c known) bool {
		_, err := os.Stat(c.place.Path)
		return c.name != name || errors.Is(err, fs.ErrNotExist)
	})
	usual := report.Place{}
	base, err := f.sets()
	if err == nil {
		if st, err := os.Stat(filepath.Join(base, name)); err == nil && st.IsDir() {
			usual.Path = filepath.Join(base, name)
		}
	}
	switch {
	case len(captures) == 0 || captures[0].place.Path == usual.Path:
		return usual, nil
	case len(captures) > 1 && captures[1].running && captures[1].place != captures[0].place:
		return report.Place{}, usageError{fmt.Errorf("%s: several captures of that name are running: give the path of one, %s or %s", name, printable.Text(captures[0].place.Path), printable.Text(captures[1].place.Path))}
	}
	if usual.Path != "" {
		fmt.Fprintf(f.stderr, "netcap: %s is %s, where it captured last; of %s, give the path\n", name, printable.Text(captures[0].place.Path), printable.Text(usual.Path))
	}
	return captures[0].place, nil
}

// places are what at most one word means: all sets without one. what is it for people.
func (f *finder) places(args []string) (what string, places []report.Place, err error) {
	if len(args) == 0 {
		return f.all()
	}
	p, err := f.find(args[0])
	return p.Path, []report.Place{p}, err
}

// sources are what packets are taken from.
type sources struct {
	places []report.Place
	filter []string // the arguments behind them
	all    bool     // sets, since none was named
}

// sources takes from the arguments those that are captures, sets and directories. Without one,
// all sets are meant.
func (f *finder) sources(args []string) (s sources, err error) {
	if s.places, s.filter, err = f.leading(args); err != nil || len(s.places) > 0 {
		return s, err
	}
	base, places, err := f.all()
	if err != nil {
		return s, err
	}
	if len(places) == 0 {
		what := ""
		if len(s.filter) > 0 {
			what = fmt.Sprintf("%s: %v, and ", printable.Text(s.filter[0]), errNoPlace)
		}
		return s, fmt.Errorf("%sno captures are in %s", what, printable.Text(base))
	}
	s.places, s.all = places, true
	return s, nil
}

// each is a place for each word: what means nothing stands for a file, which isn't there.
func (f *finder) each(args []string) (places []report.Place) {
	for _, arg := range args {
		p := report.Place{Path: arg}
		if found, err := f.find(arg); arg != "-" && err == nil {
			p = found
		}
		places = append(places, p)
	}
	return places
}

// leading takes the places, and - for standard input, that arguments begin with; the rest is a
// filter.
func (f *finder) leading(args []string) (places []report.Place, filter []string, err error) {
	for n, arg := range args {
		if arg == "-" {
			places = append(places, report.Place{Path: arg})
			continue
		}
		p, err := f.find(arg)
		var usage usageError
		switch {
		case err == nil:
			places = append(places, p)
		case errors.As(err, &usage), filepath.IsAbs(arg), strings.HasPrefix(arg, "./"), strings.HasPrefix(arg, "../"):
			return nil, nil, err // no filter begins so
		default:
			return places, args[n:], nil
		}
	}
	return places, nil, nil
}

// paths are what is to be read of places: directories, files, and the files of a set that shares
// its directory.
func paths(places []report.Place) (all []string, err error) {
	for _, p := range places {
		if p.Set == "" {
			all = append(all, p.Path)
			continue
		}
		names, err := fileset.Names(p.Path)
		if err != nil {
			return nil, report.FileError(p.Path, err)
		}
		if len(names) == 1 && alone(p) {
			all = append(all, p.Path) // so that what comes while it is read counts too
			continue
		}
		files, err := fileset.List(p.Path, p.Set)
		if err != nil {
			return nil, report.FileError(p.Path, err)
		}
		for _, e := range files {
			if e.Type().IsRegular() && e.IsCapture("") {
				all = append(all, filepath.Join(p.Path, e.Name()))
			}
		}
	}
	return all, nil
}

// pathsFor is paths; to follow a set its first file is enough.
func pathsFor(places []report.Place, follow bool) ([]string, error) {
	all, err := paths(places)
	if follow && len(places) == 1 && places[0].Set != "" && len(all) > 1 {
		all = all[:1]
	}
	return all, err
}

// alone reports whether the directory of a set has nothing else but hidden files.
func alone(p report.Place) bool {
	entries, err := os.ReadDir(p.Path)
	return err == nil && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.Name()[0] != '.' && !fileset.Has(p.Set, e.Name())
	})
}

// dirsOf are those of places that are directories.
func dirsOf(places []report.Place) (dirs []report.Place) {
	for _, p := range places {
		if st, err := os.Stat(p.Path); err == nil && st.IsDir() {
			dirs = append(dirs, p)
		}
	}
	return dirs
}

// filePlaces are the places of files.
func filePlaces(paths []string) (places []report.Place) {
	for _, path := range paths {
		places = append(places, report.Place{Path: path})
	}
	return places
}
