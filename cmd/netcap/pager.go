package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/term"
)

// isTerminal reports whether a stream is one that a person looks at.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// colored decides about colours: always, never, or auto, which is on a terminal unless
// NO_COLOR (no-color.org) is set or the terminal is a dumb one.
func colored(when string, out any) (bool, error) {
	switch when {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "auto":
		return isTerminal(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", nil
	}
	return false, usageError{errors.New("--color " + when + ": not one of auto, always, never")}
}

// pager shows text a page at a time, as git's does.
type pager struct {
	io.WriteCloser
	cmd *exec.Cmd
}

// newPager starts the pager that NETCAP_PAGER, else PAGER, names, else less; nil if that
// is empty, cat, or not installed: then text goes straight to the terminal.
func newPager(out, errs io.Writer) *pager {
	command, ok := os.LookupEnv("NETCAP_PAGER")
	if !ok {
		if command, ok = os.LookupEnv("PAGER"); !ok {
			command = "less"
		}
	}
	words := strings.Fields(command)
	if len(words) == 0 || words[0] == "cat" {
		return nil
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = out, errs
	if os.Getenv("LESS") == "" {
		// It ends by itself if one screen is enough, shows colours, and chops long lines.
		cmd.Env = append(os.Environ(), "LESS=FRSX")
	}
	in, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return nil
	}
	return &pager{in, cmd}
}

// Close waits until the reader has seen enough.
func (p *pager) Close() error {
	err := p.WriteCloser.Close()
	if waited := p.cmd.Wait(); waited != nil {
		err = errors.Join(err, waited)
	}
	return err
}
