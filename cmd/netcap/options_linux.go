package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"netcap/capture"
	"netcap/internal/docker"
	"netcap/internal/fileset"
	"netcap/internal/record"
	"netcap/internal/sandbox"
	"netcap/pcapfile"
	"netcap/rotate"
)

// captureOptions are the flags of a capture.
type captureOptions struct {
	interfaces []string
	write      string
	dir        string
	format     string

	segmentSize     amountValue
	segmentDuration durationValue
	segmentCount    int
	budget          amountValue
	keepFree        amountValue
	keepAtLeast     atLeastValue
	maxAge          durationValue
	noDelete        bool

	compress   string
	postRotate string

	snapLen     int
	count       int64
	duration    durationValue
	bufferKiB   int
	threads     string
	writeBuffer amountValue
	flush       durationValue
	unbuffered  bool
	fsync       durationValue

	noPromiscuous bool
	direction     string
	comment       string

	name    string
	pidFile string
	logFile string
	journal string
	user    string
	becomes *sandbox.User // nil for nobody else
	// byItself says that the capture becomes that user though nobody asked for it, rootFor
	// why it stays root's though it needn't, and systemUID is the number of netcap's own user, 0
	// for none.
	byItself  bool
	rootFor   error
	systemUID int
	engine    *docker.Engine // that is asked; nil for none
	group     string
	// noSandbox leaves the process all that it has.
	noSandbox bool
	metrics   string
	quiet     bool
	verbose   int

	read   string
	filter filterOptions
}

// A bare number means these.
const (
	million = 1_000_000
	one     = 1
)

func (o *captureOptions) register(f *pflag.FlagSet) {
	// What comes behind the first word that is no flag is the filter.
	f.SetInterspersed(false)
	f.SortFlags = false
	o.segmentSize.unit, o.budget.unit, o.keepFree.unit, o.writeBuffer.unit = million, one, one, one

	f.StringArrayVarP(&o.interfaces, "interface", "i", nil, "capture on `IF`: an interface, any, docker:NETWORK or container:NAME; may be repeated (default docker0, else that of the default route)")
	f.StringVarP(&o.write, "write", "w", "", "write exactly the file `PATH` (- is standard output); with -C, -G, -W, --disk-budget or --max-age a set named after it. Nothing is ever overwritten")
	f.StringVar(&o.dir, "dir", "", "the directory `DIR` holds the set (default /var/lib/netcap/NAME)")
	f.StringVar(&o.format, "format", "", "`FORMAT` of the files, pcapng or pcap (default by the extension of -w, else pcapng)")

	f.VarP(&o.segmentSize, "segment-size", "C", "begin the next file before it exceeds `SIZE`; a bare number is millions of bytes (default a hundredth of the budget, between 16 MB and 1 GB)")
	f.VarP(&o.segmentDuration, "segment-duration", "G", "begin the next file on multiples of `DUR` by the clock (UTC), with or without traffic; a bare number is seconds (default 1h)")
	f.IntVarP(&o.segmentCount, "segment-count", "W", 0, "keep at most `N` files (default no bound)")
	f.Var(&o.budget, "disk-budget", "bound of all files of the set together, earlier runs' included: `SIZE` (default 10 GB or 10% of the file system, the lesser)")
	f.Var(&o.keepFree, "keep-free", "never leave the file system less free than `SIZE` (default 5%)")
	f.Var(&o.keepAtLeast, "keep-at-least", "neither the budget nor a full disk deletes the last `DUR|SIZE` of the capture: it pauses instead; 0 for nothing (default a quarter of the budget or 1 GB, the lesser)")
	f.Var(&o.maxAge, "max-age", "delete files older than `DUR` (default no bound)")
	f.BoolVar(&o.noDelete, "no-delete", false, "stop with an error instead of deleting a file")

	f.StringVar(&o.compress, "compress", "none", "compress finished files in the background by `METHOD`: none, gzip or zstd")
	f.StringVarP(&o.postRotate, "post-rotate", "z", "", "run `CMD` with the path of each finished file, the last included, one at a time and at low priority; no shell reads it")

	f.IntVarP(&o.snapLen, "snapshot-length", "s", capture.MaxSnapLen, "keep at most `N` bytes of a packet")
	f.Int64VarP(&o.count, "count", "c", 0, "stop after `N` packets")
	f.Var(&o.duration, "duration", "stop after `DUR` (default no bound)")
	f.IntVarP(&o.bufferKiB, "buffer-size", "B", capture.DefaultRingSize>>10, "size of the kernel's ring in `KIB`")
	f.StringVar(&o.threads, "threads", "auto", "empty `N` rings an interface, each of the size of -B, with a thread each; auto is one for each 10 Gbit/s")
	f.Var(&o.writeBuffer, "write-buffer", "memory that rides out a slow disk: `SIZE`, taken as needed, at most half of the memory of machine and control group (default 256 MiB, or a sixteenth of that memory if that is less)")
	f.Var(&o.flush, "flush", "how old unwritten packets may get: `DUR` (default 1s)")
	f.BoolVarP(&o.unbuffered, "packet-buffered", "U", false, "write packets as they come, a batch at a time")
	f.Var(&o.fsync, "fsync", "how much a power cut may cost: `DUR` (default 5s)")

	f.BoolVarP(&o.noPromiscuous, "no-promiscuous", "p", false, "don't put the interface into promiscuous mode")
	f.StringVarP(&o.direction, "direction", "Q", "inout", "which way the packets go: `DIR` is of the packets: in, out or inout")
	o.filter.register(f)
	f.StringVar(&o.comment, "comment", "", "put `TEXT` into each pcapng file")

	f.StringVar(&o.name, "name", "", "`NAME` of the capture (default the interface)")
	f.StringVar(&o.pidFile, "pid-file", "", "locked while running: `FILE` (default /run/netcap/NAME.pid)")
	f.StringVar(&o.logFile, "log-file", "", "log to `FILE`, bounded and rotated (default standard error)")
	f.StringVar(&o.metrics, "metrics", "", "serve Prometheus metrics, and nothing else, at http://`ADDR`/metrics, such as 127.0.0.1:9104 (default not)")
	f.StringVar(&o.journal, "dicom-journal", "", "append a JSON line to `FILE` for each DICOM association as it ends, by a process of its own that can do nothing else; bounded and rotated (default not)")
	f.StringVarP(&o.user, "user", "Z", "", "become `USER` once all is opened; the set is handed over to that user (default: root becomes netcap, if there is such a user; root doesn't)")
	f.StringVar(&o.group, "group", "", "let the members of `GROUP` read the files, which are 0640, and a set's directory, which is 0750 (default nobody but the owner)")
	f.BoolVar(&o.noSandbox, "no-sandbox", false, "keep capabilities, files and system calls that a capture doesn't need")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "only warnings and errors, no status and no summary")
	f.CountVarP(&o.verbose, "verbose", "v", "log more: each file")

	f.StringVarP(&o.read, "read", "r", "", "print the packets of `FILE`, as netcap read does")
}

// config checks the flags against one another and makes what they say.
func (o *captureOptions) config(filter []string) (*record.Config, error) {
	usage := func(format string, args ...any) (*record.Config, error) {
		return nil, usageError{fmt.Errorf(format, args...)}
	}
	text, err := o.filter.text(filter)
	if err != nil {
		return nil, err
	}
	direction, err := capture.ParseDirection(o.direction)
	if err != nil {
		return usage("-Q: %w", err)
	}
	threads, threadsErr := o.threadCount()
	if o.snapLen == 0 { // as tcpdump has it
		o.snapLen = capture.MaxSnapLen
	}
	switch {
	case o.snapLen < 0 || o.snapLen > capture.MaxSnapLen:
		return usage("-s %d: not between 1 and %d bytes", o.snapLen, capture.MaxSnapLen)
	case o.count < 0:
		return usage("-c %d: not a number of packets", o.count)
	case o.bufferKiB <= 0 || o.bufferKiB > capture.MaxRingSize>>10:
		return usage("-B %d: not between 1 and %d KiB", o.bufferKiB, capture.MaxRingSize>>10)
	case threadsErr != nil:
		return usage("--threads %s: not auto or a number between 1 and %d", o.threads, capture.MaxThreads)
	case o.segmentCount < 0 || o.segmentCount == 1:
		return usage("-W %d: must be at least 2: one file is being written and one kept (to stop after a time, --duration DUR)", o.segmentCount)
	case o.segmentDuration.set && o.segmentDuration.d < time.Second:
		return usage("-G %v: must be at least 1s", o.segmentDuration.d)
	case o.duration.set && o.duration.d <= 0:
		return usage("--duration %v: no time to capture in", o.duration.d)
	case o.fsync.set && o.fsync.d < 100*time.Millisecond:
		return usage("--fsync %v: must be at least 100ms", o.fsync.d)
	case o.journal != "" && o.write == "-":
		return usage("--dicom-journal reads the files of a capture, and -w - makes none: choose one")
	case o.writeBuffer.a.Percent != 0:
		return usage("--write-buffer %s: memory is given as a size, such as 512MiB", &o.writeBuffer)
	}
	if len(o.interfaces) == 0 {
		name, err := record.DefaultInterface()
		if err != nil {
			return nil, fmt.Errorf("%w: name one with -i", err)
		}
		o.interfaces = []string{name}
	}
	for _, name := range o.interfaces {
		if err := checkInterface(name); err != nil {
			return usage("-i: %w", err)
		}
	}
	if o.name == "" {
		o.name = captureName(o.interfaces)
	} else if err := fileset.CheckName(o.name); err != nil {
		return usage("--name: %w", err)
	}
	cfg := &record.Config{
		Interfaces: o.interfaces,
		Capture: capture.Config{
			SnapLen: o.snapLen, Direction: direction, NoPromiscuous: o.noPromiscuous, RingSize: o.bufferKiB << 10,
		},
		Threads: threads, Filter: text, Count: o.count, Application: "netcap " + version, Comment: o.comment,
	}
	if err := errors.Join(o.lookUpUser(), o.resolve(cfg)); err != nil {
		return nil, err
	}
	if cfg.Files.Group, err = o.lookUpGroup(); err != nil {
		return nil, err
	}
	if cfg.Format, err = o.fileFormat(); err != nil {
		return nil, err
	}
	return cfg, o.files(cfg)
}

// threadCount is how many threads empty an interface's rings, 0 for auto.
func (o *captureOptions) threadCount() (int, error) {
	if o.threads == "auto" {
		return 0, nil
	}
	n, err := strconv.Atoi(o.threads)
	if err == nil && (n < 1 || n > capture.MaxThreads) {
		err = strconv.ErrRange
	}
	return n, err
}

func (o *captureOptions) fileFormat() (pcapfile.Format, error) {
	switch {
	case o.format == "pcapng", o.format == "" && filepath.Ext(o.write) != ".pcap":
		return pcapfile.PCAPNG, nil
	case o.format == "pcap", o.format == "":
		return pcapfile.PCAP, nil
	}
	return 0, usageError{fmt.Errorf("--format %s: not one of pcapng, pcap", o.format)}
}

// files says where the packets go and within which bounds.
func (o *captureOptions) files(cfg *record.Config) error {
	bounded := o.segmentSize.set() || o.segmentDuration.set || o.segmentCount != 0 || o.budget.set() || o.maxAge.set
	f := &cfg.Files
	*f = rotate.Config{
		Group:       f.Group,
		SegmentSize: o.segmentSize.a, SegmentDuration: o.segmentDuration.d, SegmentCount: o.segmentCount,
		Budget: o.budget.a, KeepFree: o.keepFree.a, KeepAtLeast: o.keepAtLeast.a, MaxAge: o.maxAge.d, NoDelete: o.noDelete,
		WriteBuffer: o.writeBuffer.a.Bytes, Flush: o.flush.d, Sync: o.fsync.d,
	}
	switch {
	case o.becomes != nil:
		f.Owner = o.becomes.UID
	case o.systemUID != 0: // whose an earlier run's files may be
		f.Owner = o.systemUID
	}
	if o.unbuffered || o.flush.set && o.flush.d == 0 {
		f.Flush = -1
	}
	f.Beside = o.compress != "none"
	if command := strings.Fields(o.postRotate); len(command) > 0 {
		if _, err := exec.LookPath(command[0]); err != nil { // before anything is made
			return fmt.Errorf("-z %s: %w", command[0], err)
		}
	}
	switch {
	case o.compress != "none" && o.compress != "gzip" && o.compress != "zstd":
		return usageError{fmt.Errorf("--compress %s: not one of none, gzip, zstd", o.compress)}
	case o.postRotate != "" && strings.TrimSpace(o.postRotate) == "":
		return usageError{errors.New("-z: the command is empty")}
	case o.write == "-" && (o.compress != "none" || o.postRotate != ""):
		return usageError{errors.New("-w - is a stream: --compress and -z are for files")}
	case o.write != "" && o.dir != "":
		return usageError{errors.New("-w names the directory already: leave out --dir")}
	case o.write == "-" && !o.keepAtLeast.a.IsZero():
		return usageError{errors.New("-w - is a stream: --keep-at-least is about the files of a set")}
	case o.write == "-" && bounded:
		return usageError{errors.New("-w - is a stream: -C, -G, -W, --disk-budget and --max-age can't bound it")}
	case o.write == "-" && term.IsTerminal(int(os.Stdout.Fd())):
		return usageError{errors.New("-w - would write to the terminal: send it to a file or another program")}
	case o.write == "-":
		f.Stream = os.Stdout
		return nil
	case o.write == "":
		dir, err := o.setDir()
		if err != nil {
			return err
		}
		f.Dir, f.MakeDir, f.OwnDir, f.Name = dir, true, true, o.name
		f.Ext = "." + cfg.Format.String()
		return nil
	}
	if st, err := os.Stat(o.write); err == nil && st.IsDir() {
		return usageError{fmt.Errorf("-w %s: it is a directory: give a file in it, or --dir %s for a set", o.write, o.write)}
	}
	f.Dir = filepath.Dir(o.write)
	base := filepath.Base(o.write)
	if !bounded {
		switch {
		case o.noDelete:
			return usageError{errors.New("--no-delete is about the files of a set: give -C, -G, -W, --disk-budget or --max-age too")}
		case !o.keepAtLeast.a.IsZero():
			return usageError{errors.New("--keep-at-least is about the files of a set: give -C, -G, -W, --disk-budget or --max-age too")}
		}
		f.File = base
		return nil
	}
	f.Ext = filepath.Ext(base)
	f.Name = strings.TrimSuffix(base, f.Ext)
	if f.Ext == "" {
		f.Ext = "." + cfg.Format.String()
	}
	if err := fileset.CheckName(f.Name); err != nil {
		return usageError{fmt.Errorf("-w %s: %w", o.write, err)}
	}
	return nil
}

func (o *captureOptions) setDir() (string, error) {
	if o.dir != "" {
		return o.dir, nil
	}
	base, err := setsDir()
	if err != nil {
		return "", fmt.Errorf("%w, with --dir or -w", err)
	}
	return filepath.Join(base, o.name), nil
}

// pidPath is where the PID file is, "" if there is to be none: a stream's reader
// knows its writer.
func (o *captureOptions) pidPath() (string, error) {
	switch {
	case o.pidFile != "":
		return o.pidFile, nil
	case o.write == "-":
		return "", nil
	}
	return pidFileOf(o.name)
}

// captureName makes a name of interfaces, with the characters a name may have.
func captureName(interfaces []string) string {
	name := strings.Map(func(r rune) rune {
		if fileset.CheckName("x"+string(r)) != nil {
			return '_'
		}
		return r
	}, strings.Join(interfaces, "+"))
	const most = 100 // fileset.CheckName
	name = strings.TrimLeft(name, ".-")
	return name[:min(len(name), most)]
}

func (o *captureOptions) level() slog.Level {
	switch {
	case o.quiet:
		return slog.LevelWarn
	case o.verbose > 0:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// destination says where packets go, for the log.
func (o *captureOptions) destination(s record.Status) string {
	if o.write == "-" || o.write != "" && s.Files.Budget == 0 {
		return s.Files.Current
	}
	return filepath.Dir(s.Files.Current)
}

func budget(s record.Status) string {
	if s.Files.Budget == 0 {
		return "none"
	}
	return rotate.Size(s.Files.Budget)
}

// statusText is the status line.
func statusText(now, before record.Status, interval time.Duration) string {
	p := statusParts{
		now: time.Now(), packets: now.Received - now.DroppedKernel, rate: float64(now.Received-before.Received) / interval.Seconds(),
		dropped: now.DroppedKernel + now.DroppedDisk, file: now.Files.Current, set: now.Files.Set, budget: now.Files.Budget,
	}
	var waiting []string
	for _, i := range now.Interfaces {
		if i.State != record.Up {
			waiting = append(waiting, i.Name+" is "+string(i.State))
		}
	}
	p.waiting = strings.Join(waiting, ", ")
	if now.Files.Paused {
		p.pausedBy = "no room on the disk: packets are dropped"
	}
	if now.Files.Kept {
		p.pausedBy = "no room on the disk, and the rest is kept by --keep-at-least: packets are dropped"
	}
	return p.String()
}
