package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"netcap/capture"
	"netcap/capture/filter"
	"netcap/internal/daemon"
	"netcap/internal/priority"
	"netcap/internal/record"
	"netcap/rotate"
)

const captureLong = `Captures packets in the foreground until it is interrupted. Without flags it
captures docker0 if there is one, else the interface of the default route, into a
set of pcapng files that stays inside a disk budget: in /var/lib/netcap/NAME for
root, in $XDG_STATE_HOME/netcap/NAME for others.

Sizes are written as 100M, 1.5GB, 2GiB or 10% (of the file system), durations as
90s, 1h or 7d; a bare number is millions of bytes for -C, and seconds for -G.

SIGINT and SIGTERM end the capture within --flush and 5 seconds, or as long as its disk takes
what is left; then finished files are waited for. A second one ends it at once. SIGHUP
re-opens the log, and ends a capture that has none, as it does when its terminal goes, but
under nohup; SIGUSR1 logs the statistics, SIGUSR2 begins the next file.

Exit status, the same for every command: 0 done, 1 failed, 2 wrong usage, 3 no such capture,
4 not permitted, 5 looked, and there is something (gaps, problems).`

const captureExample = `  sudo netcap                                  # docker0, 10 GB at most
  sudo netcap -i eth0 --disk-budget 200GB --max-age 30d
  sudo netcap -i container:pacs tcp port 104   # through its restarts
  sudo netcap -i any -w /data/all.pcapng -c 1000
  sudo netcap -i eth0 -w - | tcpdump -nr -`

func newCaptureCommand() *cobra.Command {
	o := &captureOptions{}
	cmd := &cobra.Command{
		Use:     "netcap [FLAGS] [FILTER…]",
		Short:   "Capture packets, for months, inside a disk budget",
		Long:    captureLong,
		Example: captureExample,
		Args:    cobra.ArbitraryArgs,

		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.read != "" {
				return notForReading(cmd)
			}
			if err := misspelt(cmd, args); err != nil {
				return err
			}
			if err := o.filter.check(); err != nil {
				return err
			}
			if o.filter.dump > 0 {
				return dumpFilter(cmd.OutOrStdout(), o, args)
			}
			return capturePackets(o, args)
		},
	}
	o.register(cmd.Flags())
	for flag, values := range map[string]func() []string{
		"interface": interfaceNames,
		"direction": func() []string { return []string{"in", "out", "inout"} },
		"format":    func() []string { return []string{"pcapng", "pcap"} },
		"compress":  func() []string { return []string{"none", "gzip", "zstd"} },
	} {
		complete := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return values(), cobra.ShellCompDirectiveNoFileComp
		}
		if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
			panic(err) // a flag that register doesn't have
		}
	}
	return cmd
}

// misspelt is an error for a single word that is nearly a command and no filter.
func misspelt(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return nil
	}
	like := cmd.SuggestionsFor(args[0])
	if len(like) == 0 {
		return nil
	}
	if _, err := filter.Compile(args[0], nil); err == nil {
		return nil
	}
	return usageError{fmt.Errorf("unknown command %q: did you mean netcap %s?", args[0], like[0])}
}

// notForReading says why netcap -r FILE was not taken for netcap read FILE.
func notForReading(cmd *cobra.Command) (err error) {
	read, _, err := cmd.Find([]string{"read"})
	if err != nil {
		return err
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "read" && read.Flags().Lookup(f.Name) == nil && err == nil {
			err = usageError{fmt.Errorf("--%s is not for reading files; see: netcap read --help", f.Name)}
		}
	})
	if err == nil {
		err = usageError{errors.New("-r comes before the filter: netcap read FILE FILTER")}
	}
	return err
}

// dumpFilter prints the program for the interface that would be captured, or for
// files of a link type.
func dumpFilter(w io.Writer, o *captureOptions, args []string) error {
	if o.filter.linkType != "" {
		return o.filter.printFor(w, args, o.snapLen)
	}
	cfg, err := o.config(args)
	if err != nil {
		return err
	}
	if len(cfg.Interfaces) > 1 {
		return usageError{errors.New("-d is for one interface: each kind has a program of its own")}
	}
	device, err := cfg.Device(cfg.Interfaces[0])
	if err != nil {
		return err
	}
	p, err := record.CompileFilter(cfg.Filter, device, cfg.Capture.SnapLen)
	if err != nil {
		return err
	}
	return o.filter.print(w, p)
}

// interfaceNames are what -i can be. A completion has no place for errors.
func interfaceNames() []string {
	names := []string{capture.Any}
	if all, err := net.Interfaces(); err == nil {
		for i := range all {
			names = append(names, all[i].Name)
		}
	}
	return append(names, dockerNames()...)
}

// minProcs is one processor, as Go counts them, for each goroutine that may be
// waiting in a system call, and one for the others.
const minProcs = 4

// patienceAtEnd is how long the last words of a capture are waited for.
const patienceAtEnd = 2 * time.Second

// capturePackets captures, and says what goes wrong: nobody waits for who doesn't read that.
func capturePackets(o *captureOptions, filter []string) error {
	stderr := daemon.NewAsyncWriter(os.Stderr)
	err := captureSaying(stderr, o, filter)
	if errors.Is(err, syscall.EPIPE) { // whoever read the stream has enough
		err = nil
	}
	if err != nil {
		complain(stderr, err)
		err = fmt.Errorf("%w: %w", errSilent, err)
	}
	stderr.LastWords(patienceAtEnd)
	return err
}

// captureSaying captures, and writes to stderr how that goes.
func captureSaying(stderr *daemon.AsyncWriter, o *captureOptions, filter []string) (err error) {
	cfg, err := o.config(filter)
	if err != nil {
		return err
	}
	if err := enterGroup(&cfg.Files); err != nil {
		return fmt.Errorf("--group %s: %w", o.group, err)
	}
	terminal := newStatusLine(stderr, int(os.Stderr.Fd()), !o.quiet && o.logFile == "" && term.IsTerminal(int(os.Stderr.Fd())))
	terminal.behind = stderr.Behind
	log, err := daemon.NewLog(o.logFile, stderr, terminal, o.level())
	if err != nil {
		return err
	}
	defer func() {
		closeErr := log.Close(patienceAtEnd)
		if errors.Is(closeErr, daemon.ErrUnwritten) { // no packet is missing for that
			complain(stderr, closeErr)
			closeErr = nil
		}
		err = errors.Join(err, closeErr)
	}()
	cfg.Log = log.Logger
	starter, err := daemon.NewStarter()
	if err != nil {
		return err
	}
	end := newEnding(cfg.Files.Flush, log, stderr, o)
	ctx, stop := end.onSignal(o.endings()...)
	defer stop()
	questions := make(chan os.Signal, 4)
	signal.Notify(questions, o.questions()...)
	defer signal.Stop(questions)
	if o.write == "-" {
		stopWatching, err := whenUnread(os.Stdout, func() {
			log.Debug("stopping", "because", "nobody reads the stream any more")
			end.begin()
		})
		if err != nil {
			log.Warn("that the stream's reader goes will be noticed with the next packet only", "because", err)
		}
		defer stopWatching()
	}

	// A goroutine that waits for the disk keeps its processor, as Go counts
	// them, for up to 10 ms: the one that empties the ring needs another,
	// however few the machine has.
	runtime.GOMAXPROCS(max(minProcs, runtime.GOMAXPROCS(0)))
	// Else what writes the files shares the processors with all others when it is left
	// behind too, and needs more memory.
	_ = priority.AllowAhead()

	beside, err := o.startHelper(&cfg.Files, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeHelper(beside)) }()
	later := &finishing{o: o, cfg: cfg, helper: beside}
	cfg.Finished = later.add
	if beside != nil {
		cfg.Began = later.began
	}
	endGate, err := o.askDocker(log)
	if err != nil {
		return err
	}
	defer endGate()
	rec, err := record.New(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rec.Close()) }()
	pidPath, err := o.pidPath()
	if err != nil {
		return err
	}
	if pidPath != "" {
		pid, err := daemon.LockPIDFile(pidPath)
		if err != nil {
			return err
		}
		defer pid.Release() //nolint:errcheck // the lock ends with the process, whatever is in the file
		end.pid.Store(pid)
		if err := daemon.ClearControl(daemon.ControlPath(pidPath)); err != nil {
			return err
		}
	}
	names, stopNames := context.WithCancel(context.Background())
	waitForNames := nameContainers(names, o.engine, rec, log)
	defer func() { stopNames(); waitForNames() }()
	if err := o.tryUser(&cfg.Files, log); err != nil {
		return err
	}
	if err := rec.Begin(); err != nil {
		if errors.Is(err, rotate.ErrAtLeast) {
			err = usageError{err}
		}
		return err
	}
	if err := later.begin(rec); err != nil {
		return err
	}
	defer later.abandon()
	o.remember(&cfg.Files, pidPath, log)
	control := &controller{name: o.name, cfg: cfg, rec: rec, end: end, later: later, log: log}
	closeControl, err := control.serve(pidPath)
	if err != nil {
		return err
	}
	defer closeControl(&err)
	closeMetrics, err := control.serveMetrics(o.metrics)
	if err != nil {
		return err
	}
	defer closeMetrics()
	if control.sandbox, err = o.confine(cfg, pidPath, log); err != nil {
		return err
	}
	later.handedOver()
	if ctx.Err() == nil {
		defer announce(starter, rec.Status(), o, log, terminal)()
	}
	context.AfterFunc(ctx, func() { _ = starter.Stopping() }) // for systemd to show: nothing depends on it
	go starter.Watchdog(ctx, func() bool { rec.Status(); return true })
	watch, stopWatching := context.WithCancel(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		observe(watch, questions, rec, log, terminal)
	}()
	end.rec.Store(rec)
	if o.duration.set {
		defer time.AfterFunc(o.duration.d, end.begin).Stop()
	}
	err = rec.Run(ctx)
	end.over()
	stopWatching()
	<-watching
	terminal.clear()
	summarize(stderr, rec.Status(), o) // what follows may take long
	err = errors.Join(err, later.end(log))
	if errors.Is(err, syscall.EPIPE) { // whoever read the stream has enough
		err = nil
	}
	return err
}

// announce says that packets are being captured, and where they go. What it returns waits for
// who is told, for a while.
func announce(starter *daemon.Starter, s record.Status, o *captureOptions, log *daemon.Log, terminal *statusLine) (wait func()) {
	what := "capturing on " + strings.Join(o.interfaces, ", ")
	for _, i := range s.Interfaces {
		if i.State == record.Absent {
			what = "waiting for " + i.Name + ", which is not there yet: " + what
		}
	}
	text := what + " into " + o.destination(s)
	if s.Files.Budget > 0 {
		text += fmt.Sprintf(", %s at most", budget(s))
	}
	if terminal.on {
		fmt.Fprintln(terminal, text+"; Ctrl-C ends it")
	} else {
		log.Info("capturing", "interfaces", o.interfaces, "to", o.destination(s), "budget", budget(s))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := starter.Ready(text, log); err != nil {
			log.Warn("telling who started it that the capture is ready", "error", err)
		}
	}()
	return func() {
		select {
		case <-done:
		case <-time.After(patienceAtEnd):
		}
	}
}

// questions are the signals that ask a capture for something else than its end. A terminal
// that goes means nothing to one that has a log.
func (o *captureOptions) questions() []os.Signal {
	s := []os.Signal{syscall.SIGUSR1, syscall.SIGUSR2}
	if o.hasLog() {
		s = append(s, syscall.SIGHUP)
	}
	return s
}

// endings are those that end it. One that was started with SIGHUP ignored, by nohup(1), goes
// on without its terminal.
func (o *captureOptions) endings() []os.Signal {
	if o.hasLog() {
		return []os.Signal{os.Interrupt, syscall.SIGTERM}
	}
	return endings()
}

// hasLog reports whether what is logged stays when there is no terminal: SIGHUP asks for a
// log to be re-opened then.
func (o *captureOptions) hasLog() bool { return o.logFile != "" || daemon.Supervised() }

// How often the status is shown on a terminal, and logged elsewhere.
const (
	statusInterval = time.Second
	logInterval    = time.Minute
)

// observe shows how the capture does, and obeys the signals that ask about it,
// until ctx is done.
func observe(ctx context.Context, signals <-chan os.Signal, rec *record.Recorder, log *daemon.Log, line *statusLine) {
	interval := logInterval
	if line.on {
		interval = statusInterval
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	before := rec.Status()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			now := rec.Status()
			if line.on {
				line.show(statusText(now, before, interval))
			} else if now.Received != before.Received {
				logStatus(log, now)
			}
			before = now
		case s := <-signals:
			switch s {
			case syscall.SIGHUP:
				log.Reopen()
			case syscall.SIGUSR1:
				logStatus(log, rec.Status())
			case syscall.SIGUSR2:
				go func() {
					if _, err := rec.Rotate(ctx); err != nil && ctx.Err() == nil {
						log.Error("rotating", "error", err)
					}
				}()
			}
		}
	}
}

func logStatus(log *daemon.Log, s record.Status) {
	log.Info("status", slog.Group("packets", "received", s.Received, "written", s.Written,
		"dropped_kernel", s.DroppedKernel, "dropped_disk", s.DroppedDisk, "rejected", s.Rejected),
		"current_file", s.Files.Current, "set_bytes", s.Files.Set, "budget_bytes", s.Files.Budget, "free_bytes", s.Files.Free)
}

// summarize prints what tcpdump does at the end, and the files.
func summarize(w io.Writer, s record.Status, o *captureOptions) {
	if o.quiet {
		return
	}
	fmt.Fprintf(w, "%s captured\n", count(s.Written, "packet"))
	fmt.Fprintf(w, "%s received by filter\n", count(s.Received, "packet"))
	fmt.Fprintf(w, "%s dropped by kernel\n", count(s.DroppedKernel, "packet"))
	for _, i := range s.Interfaces {
		if i.Missed > 0 {
			fmt.Fprintf(w, "%s dropped by interface %s\n", count(int64(i.Missed), "packet"), i.Name)
		}
	}
	if s.DroppedDisk > 0 {
		fmt.Fprintf(w, "%s dropped because they could not be written\n", count(s.DroppedDisk, "packet"))
	}
	if len(refusals(s)) > 0 {
		fmt.Fprintf(w, "%s not taken by the filter, which the kernel refused and netcap ran\n", count(s.Rejected, "packet"))
	}
	switch {
	case o.write == "-":
	case s.Files.Files == 1:
		fmt.Fprintf(w, "1 file: %s\n", s.Files.Current)
	default:
		fmt.Fprintf(w, "%s written to %s\n", count(s.Files.Files, "file"), filepath.Dir(s.Files.Current))
	}
}
