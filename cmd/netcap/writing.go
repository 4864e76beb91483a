package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"netcap/internal/input"
	"netcap/internal/rewrite"
	"netcap/internal/scrub"
	"netcap/pcapfile"
	"netcap/rotate"
)

// writing is a capture that the packets of a reading are written into.
type writing struct {
	command string // of netcap, for the progress
	path    string // - is standard output
	format  string // pcap or pcapng, "" by the path, else that of what is read
	whole   bool   // all packets of one file are wanted
	live    bool   // somebody reads along
	scrub   bool   // data sets of DICOM are overwritten, as is all that isn't known
	words   bool   // then comments, names and the like are kept nevertheless
	took    func(*input.File)

	packets     int64  // that were written
	interrupted bool   // before all of them were
	growing     bool   // it is read while it is written, and never whole
	left        string // the path of the file that isn't whole
	discarded   bool   // there is no file: what was to be read failed before the first packet
	lost        string // what the captures said and the file doesn't
	scrubbed    scrub.Stats
}

var errInterrupted = errors.New("interrupted")

// run writes all packets, or as many as there are until ctx is done. If that fails, or
// reading did before the first packet, there is no file.
func (w *writing) run(ctx context.Context, cmd *cobra.Command, r *reading) (err error) {
	open := r.stream.Open()
	kept := pcapfile.PCAPNG
	if len(open) > 0 && !differ(open) {
		kept = open[0].Format()
	}
	format := rewrite.Format(w.path, kept)
	switch w.format {
	case "pcap":
		format = pcapfile.PCAP
	case "pcapng":
		format = pcapfile.PCAPNG
	}
	stdout, _ := cmd.OutOrStdout().(*os.File)
	var file *rewrite.File
	var to io.Writer = cmd.OutOrStdout() // a test's
	if w.path != "-" || stdout != nil {
		create := rewrite.Begin
		if w.growing {
			create = rewrite.Create
		}
		if file, err = create(w.path, stdout); err != nil {
			return err
		}
		to = file
	}
	out := rewrite.New(to, format, &rewrite.Config{Application: "netcap " + version, Files: open, Whole: w.whole, Scrub: w.scrub, Bare: w.scrub && !w.words})
	r.ended = out.Ended

	done := func() {}
	if !w.live {
		done = showProgress(w.command, r.stream.Progress)
	}
	err = w.copy(ctx, r, out)
	w.packets = out.Packets()
	if w.discarded = err == nil && w.packets == 0 && r.failed.err != nil; w.discarded {
		done()
		if w.path == "-" {
			return nil
		}
		return file.Discard()
	}
	err = errors.Join(err, out.Close())
	done()
	w.lost = out.Lost()
	if w.path == "-" || file == nil {
		return err
	}
	if w.interrupted && !w.growing && err == nil {
		w.left, err = file.Leave()
		return err
	}
	return file.End(err)
}

func (w *writing) copy(ctx context.Context, r *reading, out *rewrite.Writer) error {
	var last *input.File
	add := func(p *pcapfile.Packet, f *input.File) error {
		if w.took != nil && f != last {
			last = f
			w.took(last)
		}
		return out.Add(f, p)
	}
	end := func() error { return nil }
	if w.scrub {
		add, end = w.scrubbing(r, out, add)
	}
	err := r.each(func(p *pcapfile.Packet) error {
		if ctx.Err() != nil {
			return errInterrupted
		}
		return add(p, r.file)
	}, func() error {
		switch {
		case ctx.Err() != nil:
			return errInterrupted
		case w.live:
			return out.Flush()
		}
		return nil
	})
	if errors.Is(err, errInterrupted) {
		w.interrupted, err = true, nil
	}
	if err != nil {
		return err
	}
	return end()
}

// scrubbing has the packets that are added scrubbed first. The streams that they are of are
// followed through all packets, those that the filter doesn't take included.
func (w *writing) scrubbing(r *reading, out *rewrite.Writer, add func(*pcapfile.Packet, *input.File) error) (scrubbed func(*pcapfile.Packet, *input.File) error, end func() error) {
	s := scrub.New(add)
	r.passed = s.Follow
	r.ended = func(f *input.File) { s.After(func() { out.Ended(f) }) }
	return s.Add, func() error {
		err := s.Close()
		w.scrubbed = s.Stats()
		return err
	}
}

// differ reports whether files are of several formats.
func differ(files []*input.File) bool {
	for _, f := range files[1:] {
		if f.Format() != files[0].Format() {
			return true
		}
	}
	return false
}

// showProgress shows on a terminal how many bytes are read, of how many, until done is
// called.
func showProgress(what string, progress func() (read, total int64)) (done func()) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return func() {}
	}
	line := newStatusLine(os.Stderr, int(os.Stderr.Fd()), true)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(500 * time.Millisecond) // what is sooner done needs none
		defer tick.Stop()
		for {
			select {
			case <-stop:
				line.clear()
				return
			case <-tick.C:
				read, total := progress()
				text := fmt.Sprintf("%s: %s read", what, rotate.Size(read))
				if total > 0 {
					text = fmt.Sprintf("%s: %d %% of %s", what, min(100, read*100/total), rotate.Size(total))
				}
				line.show(text)
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}
