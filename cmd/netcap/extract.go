package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"netcap/internal/input"
	"netcap/internal/priority"
	"netcap/internal/report"
	"netcap/internal/rewrite"
	"netcap/pcapfile"
	"netcap/rotate"
)

type extractOptions struct {
	from, to, write, filterFile string
	now                         time.Time
}

func newExtractCommand() *cobra.Command {
	o := &extractOptions{}
	cmd := &cobra.Command{
		Use:   "extract [NAME|DIR|FILE…] --from T --to T [FILTER…] -w OUT",
		Short: "Make one file of the packets of an interval",
		Long: `Writes the packets of an interval to one file, in the order of time: out of the set
called NAME, those in DIR, any files, or all sets in /var/lib/netcap (for a user in
$XDG_STATE_HOME/netcap). Files may be compressed, and the last of a set may still be
being written. The first argument that is none of these begins the filter,
or -- does.

T is 15:04, 2006-01-02 15:04, RFC 3339, or 15m for that long ago. A packet of the time
of --from is in the file, one of that of --to isn't. Without --from or --to there is no
bound on that side; of sets one of them is needed.

OUT is pcapng or pcap by its extension, else the format of what is read; - is standard
output. Nothing is ever overwritten. At the end netcap says whether the ledger knows of
packets that are missing in that interval. It runs at the lowest priority: a capture comes
first.`,
		Example: `  sudo netcap extract docker0 --from 14:00 --to 14:05 -w ticket42.pcapng
  netcap extract --from 15m tcp port 104 -w - | tshark -r -
  netcap extract one.pcap.gz two.pcapng -w both.pcapng`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.now = time.Now()
			return o.run(cmd, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "from the time `T` on")
	f.StringVar(&o.to, "to", "", "before the time `T`")
	f.StringVarP(&o.write, "write", "w", "", "write to `OUT`; - is standard output")
	f.StringVarP(&o.filterFile, "filter-file", "F", "", "read the filter from `FILE`; - is standard input")
	return cmd
}

func (o *extractOptions) run(cmd *cobra.Command, args []string) error {
	if o.write == "" {
		return usageError{errors.New("-w is missing: where to write to, a file or -")}
	}
	p, err := parsePeriod(o.from, o.to, o.now)
	if err != nil {
		return err
	}
	// What follows -- is the filter, whatever files are called so.
	var dashed []string
	if n := cmd.ArgsLenAtDash(); n >= 0 {
		args, dashed = args[:n], args[n:]
	}
	from, err := sourcesOf(setsDir, args)
	if err != nil {
		return err
	}
	from.filter = append(from.filter, dashed...)
	if p.from.IsZero() && p.to.IsZero() && len(from.dirs) > 0 {
		return usageError{errors.New("--from is missing: since when? A whole set would be written twice to the disk")}
	}
	text, err := (&filterOptions{file: o.filterFile}).text(from.filter)
	if err != nil {
		return err
	}
	_ = priority.LowerProcess() // at its own priority it does no harm either, only sooner

	e := &extraction{cmd: cmd, failed: failures{cmd: cmd, of: 2}, files: make(map[string]bool)} // several: what is wrong is said at once
	if text != "" {
		e.filter = newPacketFilter(text)
	}
	stream := input.NewStream(from.paths, &input.Config{
		Stdin: cmd.InOrStdin(), From: p.from, To: p.to,
		Ended: func(f *input.File) { e.out.Ended(f) },
	})
	defer stream.Close()
	if err := e.write(o.write, stream); err != nil {
		return err
	}
	if err := e.say(o.write, from, p, o.now); err != nil {
		return err
	}
	return e.failed.err
}

// sources are what packets are taken from.
type sources struct {
	paths  []string // dirs included
	dirs   []string // of sets
	filter []string // the arguments behind them
}

// sourcesOf takes from the arguments those that are captures, sets and directories. Without
// one, all sets are meant.
func sourcesOf(setsDir func() (string, error), args []string) (s sources, err error) {
	for n, arg := range args {
		if arg == "-" {
			s.paths = append(s.paths, arg)
			continue
		}
		_, dirs, err := listed(setsDir, args[n:n+1])
		if err == nil {
			_, err = os.Stat(dirs[0])
		}
		if err != nil {
			if arg != "" && (filepath.IsAbs(arg) || strings.HasPrefix(arg, "./") || strings.HasPrefix(arg, "../")) {
				return s, report.FileError(arg, err) // no filter begins so
			}
			s.filter = args[n:]
			break
		}
		s.paths = append(s.paths, dirs[0])
		if st, err := os.Stat(dirs[0]); err == nil && st.IsDir() {
			s.dirs = append(s.dirs, dirs[0])
		}
	}
	if len(s.paths) > 0 {
		return s, nil
	}
	place, dirs, err := listed(setsDir, nil)
	if err != nil {
		return s, err
	}
	if len(dirs) == 0 {
		what := ""
		if len(s.filter) > 0 {
			what = fmt.Sprintf("%s: no such capture, file or directory, and ", report.Printable(s.filter[0]))
		}
		return s, fmt.Errorf("%sno captures are in %s", what, report.Printable(place))
	}
	s.paths, s.dirs = dirs, dirs
	return s, nil
}

// extraction is the work at hand.
type extraction struct {
	cmd         *cobra.Command
	filter      *packetFilter // nil takes all
	out         *rewrite.Writer
	failed      failures
	files       map[string]bool // that packets are from
	interrupted bool
}

// write writes what is wanted of a stream to a path. If that fails, there is no file.
func (e *extraction) write(path string, stream *input.Stream) (err error) {
	stdout, _ := e.cmd.OutOrStdout().(*os.File)
	var file io.WriteCloser = nopCloser{e.cmd.OutOrStdout()} // a test's
	if path != "-" || stdout != nil {
		if file, err = rewrite.Create(path, stdout); err != nil {
			return err
		}
	}
	open := stream.Open()
	kept := pcapfile.PCAPNG
	if len(open) > 0 && !differ(open) {
		kept = open[0].Format()
	}
	e.out = rewrite.New(file, rewrite.Format(path, kept), &rewrite.Config{Application: "netcap " + version, Files: open})

	ctx, stop := signal.NotifyContext(e.cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	done := showProgress("extract", stream)
	err = errors.Join(e.copy(ctx, stream), e.out.Close())
	done()
	if path == "-" {
		return err
	}
	if err = errors.Join(err, file.Close()); err != nil {
		if removeErr := os.Remove(path); removeErr != nil {
			err = errors.Join(err, removeErr)
		}
		return fmt.Errorf("%w; %s was removed again", err, report.Printable(path))
	}
	return nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// differ reports whether files are of several formats.
func differ(files []*input.File) bool {
	for _, f := range files[1:] {
		if f.Format() != files[0].Format() {
			return true
		}
	}
	return false
}

func (e *extraction) copy(ctx context.Context, stream *input.Stream) error {
	var last *input.File
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			e.interrupted = true
			return nil
		}
		p, f, err := stream.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			if !beingWritten(err) {
				e.failed.add(err)
			}
			continue
		}
		if e.filter != nil {
			if err := e.filter.prepare(p.Interface); err != nil {
				return err
			}
			if !e.filter.match(p) {
				continue
			}
		}
		if err := e.out.Add(f, p); err != nil {
			return err
		}
		if f != last {
			last = f
			e.files[f.Path] = true
		}
	}
}

// beingWritten reports whether an error is that a capture is writing the file just now: what
// is torn there will be whole in a moment.
func beingWritten(err error) bool {
	var file *input.FileError
	if !errors.As(err, &file) || !errors.Is(err, io.ErrUnexpectedEOF) {
		return false
	}
	dir, name := filepath.Split(file.Path)
	set, _, seq, _, ok := rotate.ParseName(name)
	if !ok || !rotate.Running(filepath.Clean(dir), set) {
		return false
	}
	entries, err := os.ReadDir(filepath.Clean(dir))
	for _, e := range entries {
		if other, _, later, _, ok := rotate.ParseName(e.Name()); ok && other == set && later > seq {
			return false
		}
	}
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}

// say says in one line what came of it.
func (e *extraction) say(path string, from sources, p period, now time.Time) error {
	text := fmt.Sprintf("%s of %s", countOf(e.out.Packets(), "packet"), countFiles(len(e.files)))
	if w := window(p); w != "" {
		text += ", " + w
	}
	if path != "-" {
		st, err := os.Stat(path)
		if err != nil {
			return err
		}
		text += fmt.Sprintf(", in %s (%s)", report.Printable(path), rotate.Size(st.Size()))
	}
	if e.interrupted {
		text = "interrupted: not all of it: " + text
		e.failed.err = errSilent
	}
	known, err := knownGaps(from, p, now)
	if err != nil {
		e.failed.add(err)
	}
	if known != "" {
		text += "; " + known
	}
	_, err = fmt.Fprintln(e.cmd.ErrOrStderr(), "netcap: "+text)
	return err
}

// countOf is count with commas.
func countOf(n int64, unit string) string {
	if n != 1 {
		unit += "s"
	}
	return comma(n) + " " + unit
}

// window is a period for people.
func window(p period) string {
	switch {
	case !p.from.IsZero() && !p.to.IsZero():
		return tableTime(&p.from) + " to " + tableTime(&p.to)
	case !p.from.IsZero():
		return "since " + tableTime(&p.from)
	case !p.to.IsZero():
		return "before " + tableTime(&p.to)
	}
	return ""
}

// showProgress shows on a terminal how much of a stream is read, until done is called.
func showProgress(what string, stream *input.Stream) (done func()) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return func() {}
	}
	line := newStatusLine(os.Stderr, true)
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
				read, total := stream.Progress()
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
