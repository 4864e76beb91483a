package rewrite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"netcap/pcapfile"
)

// Format is the format in which a file of that name is written: what its extension says,
// else kept, which is that of what is read.
func Format(path string, kept pcapfile.Format) pcapfile.Format {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".pcapng", ".ntar":
		return pcapfile.PCAPNG
	case ".pcap", ".cap", ".dmp":
		return pcapfile.PCAP
	}
	return kept
}

// Create creates a file to write a capture to, for its owner alone; - is stdout. Nothing
// that exists is overwritten, and no terminal is written to.
func Create(path string, stdout *os.File) (*os.File, error) {
	if path == "-" {
		if term.IsTerminal(int(stdout.Fd())) {
			return nil, errors.New("-w -: standard output is a terminal, which a capture would garble: redirect it, or name a file")
		}
		return stdout, nil
	}
	if ext := filepath.Ext(path); slices.Contains([]string{".gz", ".zst", ".lz4", ".xz", ".bz2"}, ext) {
		return nil, fmt.Errorf("%q: captures are written uncompressed: leave out %s, or give -w - and pipe that into a compressor", path, ext)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|noFollow, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%q: %w, and nothing is ever overwritten: choose another name, or move it away", path, fs.ErrExist)
	}
	return f, err
}
