package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"netcap/internal/diagnosis"
	"netcap/internal/input"
	"netcap/internal/printable"
	"netcap/internal/report"
	"netcap/pcapfile"
)

type dicomOptions struct {
	ports    []uint
	hosts    []string
	title    string
	from, to string
	problems bool
	ops      bool
	json     bool
	check    bool
	follow   bool
}

const dicomLong = `Says what went on between DICOM applications: a line each association, and then what
was wrong, in plain words, with the likely cause and the packets that show it. Traffic
is recognised by what is in it, at any port.

Reads captures as netcap read does; several files are one capture, in the order of time.
A NAME is that of a set, a directory stands for the captures in it, and without any all
sets in /var/lib/netcap are read (for a user those in $XDG_STATE_HOME/netcap).

✗ is something that didn't work, ! what worked badly, · what is to be known when reading
the rest. A number after ≥ is the least: the capture lacks something. Patients' data is
never read: data sets are counted in bytes, passcodes passed over, and UIDs of instances
are printed with --ops only.

With -f associations are printed as they end, of a file or set that is being written. An
association begun before --from is read from its middle on. The JSON document is described in
docs/dicom-json.md.

` + timeHelp + `

Exit status: 1 if a file is damaged, what precedes the damage is told all the same; 4 if
one may not be read; with --check 5 if there was a problem (✗).`

func newDICOMCommand() *cobra.Command {
	o := &dicomOptions{}
	cmd := &cobra.Command{
		Use:   "dicom [NAME|DIR|FILE…]",
		Short: "Say what went on between DICOM applications, and what is wrong",
		Long:  dicomLong,
		Example: `  sudo netcap dicom
  sudo netcap dicom docker0 --from 15m --problems
  netcap dicom --ae CT01 --ops monday.pcapng
  sudo netcap dicom -f docker0`,
		DisableFlagsInUseLine: true,
		RunE:                  func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.register(cmd.Flags())
	return cmd
}

func (o *dicomOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.UintSliceVar(&o.ports, "port", nil, "connections from or to one of these ports `P`[,P…] only")
	f.StringVar(&o.title, "ae", "", "associations of the AE title `TITLE` only, be it calling or called")
	f.StringSliceVar(&o.hosts, "host", nil, "connections of one of these addresses `IP`[,IP…] only")
	registerPeriod(f, &o.from, &o.to, "")
	f.BoolVar(&o.problems, "problems", false, "print what is wrong, without the table")
	f.BoolVar(&o.ops, "ops", false, "print contexts, implementations and each operation, with UIDs of instances")
	f.BoolVar(&o.json, "json", false, "print a JSON document; with -f a JSON object an association, on a line each")
	f.BoolVar(&o.check, "check", false, "exit with status 5 if there was a problem")
	f.BoolVarP(&o.follow, "follow", "f", false, "wait for more at the end, and print associations as they end")
}

// config is what the flags say of an analysis.
func (o *dicomOptions) config() (*diagnosis.Config, error) {
	cfg := &diagnosis.Config{AE: o.title, Operations: o.ops || o.json, Instances: o.ops}
	for _, p := range o.ports {
		if p == 0 || p > 65535 {
			return nil, usageError{fmt.Errorf("--port %d: not a port, which is 1 to 65535", p)}
		}
		cfg.Ports = append(cfg.Ports, uint16(p))
	}
	for _, h := range o.hosts {
		addr, err := netip.ParseAddr(h)
		if err != nil {
			return nil, usageError{fmt.Errorf("--host %s: not an IP address", printable.Text(h))}
		}
		cfg.Hosts = append(cfg.Hosts, addr.Unmap())
	}
	if o.problems && (o.json || o.ops) {
		return nil, usageError{errors.New("--problems prints less, --ops and --json more: choose one (in the JSON document problems are the array findings)")}
	}
	return cfg, nil
}

func (o *dicomOptions) run(cmd *cobra.Command, args []string) (err error) {
	cfg, err := o.config()
	if err != nil {
		return err
	}
	p, err := parsePeriod(cmd.ErrOrStderr(), o.from, o.to, time.Now())
	if err != nil {
		return err
	}
	from, err := newFinder(cmd.ErrOrStderr()).sources(args)
	if err != nil {
		return err
	}
	if len(from.filter) > 0 {
		return fmt.Errorf("%s: %w", printable.Text(from.filter[0]), errNoPlace)
	}
	paths, err := pathsFor(from.places, o.follow)
	if err != nil {
		return err
	}
	d := &diagnosing{dicomOptions: o, reading: newReading(cmd, "", len(paths)), files: make(map[*input.File]*diagnosis.File), places: from.places, period: p}
	d.reading.ended = func(f *input.File) {
		delete(d.files, f)
		d.dropped += report.Dropped(f.Reader)
	}
	d.stdin = inputFor(cmd.OutOrStdout(), d.stdin)
	if o.follow {
		return d.followed(cmd, paths, cfg, p)
	}
	d.analysis = diagnosis.New(cfg)
	d.stream = input.NewStream(paths, d.reading.config(p))
	defer func() { err = errors.Join(err, d.stream.Close()) }()
	done := showProgress("dicom", d.stream.Progress)
	err = d.each(d.add, func() error { return nil })
	done()
	if err != nil {
		return err
	}
	return d.report(d.analysis.Close())
}

// diagnosing is an analysis of what is read.
type diagnosing struct {
	*dicomOptions
	*reading
	analysis *diagnosis.Analysis
	places   []report.Place
	period   period
	files    map[*input.File]*diagnosis.File // that are open
	dropped  int64                           // packets, as the files say
	ledgers  int                             // gaps that ledgers know
	problems bool                            // there was one
}

// complete finds out whether the capture is.
func (d *diagnosing) complete(c *diagnosis.Capture) {
	var last time.Time // what came after that isn't reported on
	if d.period.to.IsZero() && c.To != nil {
		last = *c.To
	}
	known, err := askLedgers(d.places, d.period, last, time.Now())
	if err != nil {
		d.failed.add(err)
	}
	d.ledgers = known.gaps
	c.Gaps += int64(known.gaps)
	if known.sets == 0 {
		c.Dropped = d.dropped
	}
	c.Complete = (known.complete || known.sets == 0) && c.Gaps == 0 && c.Dropped == 0 && c.Truncated == 0 && d.failed.err == nil
	for _, note := range known.notes {
		fmt.Fprintln(d.failed.cmd.ErrOrStderr(), "netcap: "+note)
	}
}

func (d *diagnosing) add(p *pcapfile.Packet) error {
	f := d.files[d.file]
	if f == nil {
		f = d.analysis.File(d.file.Path)
		d.files[d.file] = f
	}
	d.analysis.Names(f, d.file.Names())
	d.analysis.Add(f, p)
	return nil
}

// report prints a report, and returns what the exit status says.
func (d *diagnosing) report(r *diagnosis.Report) error {
	d.complete(&r.Capture)
	out := d.failed.cmd.OutOrStdout()
	var err error
	if d.json {
		err = printReport(out, r)
	} else {
		colors, _ := colored("auto", out) // which is known
		buffered := bufio.NewWriter(out)
		t := &dicomText{w: buffered, colors: colors, date: dated(r), unread: d.failed.err != nil, ledgers: d.ledgers}
		err = errors.Join(t.print(r, d.dicomOptions), buffered.Flush())
	}
	d.noteProblems(r.Findings)
	return d.status(err)
}

func (d *diagnosing) noteProblems(findings []*diagnosis.Finding) {
	d.problems = d.problems || slices.ContainsFunc(findings, func(f *diagnosis.Finding) bool { return f.Severity == diagnosis.Problem })
}

// status is the error that the command ends with; err is one of printing.
func (d *diagnosing) status(err error) error {
	if err == nil && d.failed.err == nil && d.check && d.problems {
		return errFound // and told
	}
	return d.failed.join(err)
}

// followed prints associations as they end, until it is interrupted.
func (d *diagnosing) followed(cmd *cobra.Command, paths []string, cfg *diagnosis.Config, p period) (err error) {
	if len(paths) != 1 {
		return usageError{fmt.Errorf("-f follows one file, or the set in one directory: %d are given", len(paths))}
	}
	ended, stopSignals := untilEnded(cmd.Context())
	defer stopSignals()
	ctx, stop := untilUnread(ended, cmd.OutOrStdout())
	defer stop()
	f := &follower{diagnosing: d, cancel: stop, text: &dicomText{w: cmd.OutOrStdout(), date: true}}
	f.text.colors, _ = colored("auto", f.text.w)
	cfg.Live(f.print)
	d.analysis = diagnosis.New(cfg)
	files := d.reading.config(p)
	files.Waiting = d.analysis.Waited
	if d.stream, err = input.Follow(ctx, paths[0], files); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stream.Close()) }()
	if err := d.each(d.add, func() error { return f.err }); err != nil {
		return err
	}
	r := d.analysis.Close()
	f.rest(r)
	return d.status(f.err)
}

// follower prints as associations end.
type follower struct {
	*diagnosing
	text   *dicomText
	cancel context.CancelFunc
	err    error // of printing
}

func (f *follower) print(e *diagnosis.Entry) {
	if f.err != nil {
		return
	}
	f.noteProblems(e.Findings)
	if f.json {
		f.err = printLine(f.text.w, e)
	} else {
		f.err = f.text.entry(e, f.dicomOptions)
	}
	if f.err != nil {
		f.cancel() // nobody reads it
	}
}

// rest prints what belongs to the whole.
func (f *follower) rest(r *diagnosis.Report) {
	f.noteProblems(r.Findings)
	if f.err == nil && !f.json {
		f.err = f.text.findings(r.Findings)
	}
}
