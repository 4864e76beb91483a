package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"
)

// statusLine is the last line of a terminal, which log lines scroll past.
type statusLine struct {
	w  io.Writer
	fd int
	on bool
	// behind reports whether the terminal has still to take what was written: the line waits
	// for the next time then. Nil for a terminal that is waited for.
	behind func() bool

	mu   sync.Mutex
	text string
}

// newStatusLine returns a status line on a terminal, or one that only passes on what is
// written to it if it isn't on.
func newStatusLine(w io.Writer, fd int, on bool) *statusLine {
	return &statusLine{w: w, fd: fd, on: on}
}

const eraseLine = "\r\x1b[K"

// Write prints above the status line. It implements io.Writer for a log.
func (l *statusLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.on || l.text == "" {
		return l.w.Write(p)
	}
	// One write, so that it is one line of an AsyncWriter's.
	if _, err := io.WriteString(l.w, eraseLine+string(p)+l.text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// show replaces the status line, cut to the terminal's width.
func (l *statusLine) show(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.behind != nil && l.behind() {
		return
	}
	if width, _, err := term.GetSize(l.fd); err == nil && len(text) >= width && width > 0 {
		text = text[:width-1]
	}
	l.text = text
	fmt.Fprint(l.w, eraseLine+text) //nolint:errcheck // a terminal that went away is no reason to stop
}

// clear removes the status line.
func (l *statusLine) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.on && l.text != "" {
		fmt.Fprint(l.w, eraseLine)
	}
	l.text = ""
}

// count is a number with its unit, in the plural if need be.
func count(n int64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return strconv.FormatInt(n, 10) + " " + unit + "s"
}

// statusParts are what a status line says.
type statusParts struct {
	now      time.Time
	packets  int64
	rate     float64 // packets a second
	dropped  int64
	file     string
	set      int64
	budget   int64
	waiting  string // interfaces that give nothing, and why
	pausedBy string
}

func (p statusParts) String() string {
	s := fmt.Sprintf("%s  %s packets  %s/s  %s dropped", p.now.Format(time.TimeOnly), humanize.Comma(p.packets), humanize.Comma(int64(p.rate)), humanize.Comma(p.dropped))
	if p.file != "" {
		s += "  " + filepath.Base(p.file) + "  " + humanize.Bytes(uint64(p.set))
	}
	if p.budget > 0 {
		s += " of " + humanize.Bytes(uint64(p.budget))
	}
	if p.waiting != "" {
		s += "  " + p.waiting
	}
	if p.pausedBy != "" {
		s += "  " + p.pausedBy
	}
	return s
}
