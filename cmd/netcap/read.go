package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"netcap/capture/filter"
	"netcap/internal/decode"
	"netcap/internal/input"
	"netcap/internal/lines"
	"netcap/internal/printable"
	"netcap/internal/report"
	"netcap/pcapfile"
)

type readOptions struct {
	count    int64
	number   bool
	times    int
	numeric  int
	names    bool
	link     bool
	verbose  int
	quiet    bool
	hex      int
	hexASCII int
	ascii    int
	json     bool
	color    string
	noPager  bool
	follow   bool
	from, to string
	write    string
	format   string
	filter   filterOptions
}

const readLong = `Prints the packets of captures, a line each, as tcpdump -n -S does: pcap or pcapng,
plain or in gzip, zstd, lz4 or xz, of several files in the order of their times. A
directory stands for the captures in it, - for standard input.

Arguments that are files are read; the first one that is none begins the filter, as
does --. Sequence numbers of TCP are those in the packet. An address that a file has a
name for, that of a container perhaps, is printed as that name, unless -n is given; with
--names others are looked up.

With -f files that are still being written are followed, and so is a set when it goes on
to its next file. A file that was truncated is read again from its beginning, one that was
replaced to its end and then the one that has its name now, and one that was removed is
waited for; that is said. With -w packets go into a file instead of being printed, with what is
said beside them: names, comments, decryption secrets and so on. What the file can't keep of
that, pcap most of it, is said. It has its name once it is whole: until then, and if netcap is
interrupted or killed, that ends in .part. What fails, as on a full disk, leaves no file.

` + timeHelp + `
On a terminal there are colours, unless NO_COLOR is set, and a pager: $NETCAP_PAGER, $PAGER,
or less.

Exit status: 1 if a file is damaged or can't be read, 4 if none may be read; what precedes the damage, and the
other files, are printed all the same.`

func newReadCommand() *cobra.Command {
	o := &readOptions{}
	cmd := &cobra.Command{
		Use:   "read NAME|DIR|FILE… [FILTER…]",
		Short: "Print packets, a line each, or write them into another file",
		Long:  readLong,
		Example: `  netcap read x.pcapng tcp port 104
  netcap read -f docker0 'tcp[tcpflags] & tcp-rst != 0'
  netcap read --from 14:00 --to 14:05 docker0 host 10.0.0.5 -w out.pcapng
  ssh server sudo tcpdump -w - | netcap read -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || cmd.ArgsLenAtDash() == 0 {
				return usageError{fmt.Errorf("a file to read is missing: %s", cmd.UseLine())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.register(cmd.Flags())
	return cmd
}

func (o *readOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.Int64VarP(&o.count, "count", "c", 0, "stop after `N` packets")
	registerPeriod(f, &o.from, &o.to, "")
	f.BoolVarP(&o.follow, "follow", "f", false, "wait for more at the end of files that are being written")
	o.filter.register(f)
	f.StringVarP(&o.write, "write", "w", "", "write the packets to `FILE` (- is standard output) instead of printing them; nothing is overwritten")
	f.StringVar(&o.format, "format", "", "`FORMAT` of that file, pcapng or pcap (default by its extension, else that of the first file)")

	f.CountVarP(&o.times, "time-style", "t", "-t: no time; -tt: seconds since the epoch; -ttt: since the packet before; -tttt: with the date; -ttttt: since the first packet")
	f.BoolVarP(&o.number, "number", "#", false, "begin each line with the packet's number")
	f.CountVarP(&o.numeric, "numeric", "n", "print addresses as numbers, those too that a file has names for")
	f.BoolVar(&o.names, "names", false, "look up the names of addresses")
	f.BoolVarP(&o.link, "link-header", "e", false, "print the link-layer header")
	f.CountVarP(&o.verbose, "verbose", "v", "print more: of IP time to live, identification and checksum")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print less")
	f.CountVarP(&o.hex, "hex", "x", "print each packet in hex; -xx: with its link-layer header")
	f.CountVarP(&o.hexASCII, "hex-ascii", "X", "print each packet in hex and ASCII; -XX: with its link-layer header")
	f.CountVarP(&o.ascii, "ascii", "A", "print each packet in ASCII; -AA: with its link-layer header")
	f.BoolVar(&o.json, "json", false, "print a JSON object a packet, on a line each")
	f.StringVar(&o.color, "color", "auto", "colours: auto (on a terminal), always or never")
	f.BoolVar(&o.noPager, "no-pager", false, "print without a pager, on a terminal too")

	// What tcpdump has, and what is so anyway.
	for _, flag := range []string{"absolute-tcp-sequence-numbers:S", "line-buffered:l", "no-verify:K", "no-optimize:O"} {
		name, short, _ := strings.Cut(flag, ":")
		f.BoolP(name, short, false, "")
		if err := f.MarkHidden(name); err != nil {
			panic(err) // it was defined just now
		}
	}
}

func (o *readOptions) run(cmd *cobra.Command, args []string) error {
	places, expression, err := newFinder(cmd.ErrOrStderr()).split(args, cmd.ArgsLenAtDash())
	if err != nil {
		return err
	}
	if len(places) == 0 {
		return fmt.Errorf("%s: %w", printable.Text(args[0]), errNoPlace)
	}
	files, err := pathsFor(places, o.follow)
	if err != nil {
		return err
	}
	if err := o.check(files); err != nil {
		return err
	}
	if o.filter.linkType != "" {
		return o.filter.printFor(cmd.OutOrStdout(), expression, filter.DefaultSnapLen)
	}
	text, err := o.filter.text(expression)
	if err != nil {
		return err
	}
	if o.filter.dump > 0 {
		return o.dump(cmd, files[0], text)
	}
	now := time.Now()
	window, err := parsePeriod(cmd.ErrOrStderr(), o.from, o.to, now)
	if err != nil {
		return err
	}
	if err := o.read(cmd, places, files, text, window); err != nil || window == (period{}) || o.follow {
		return err
	}
	return sayWindow(cmd, places, window, now)
}

// sayWindow says whether packets of an interval that was asked for are missing.
func sayWindow(cmd *cobra.Command, places []report.Place, window period, now time.Time) error {
	known, err := askLedgers(places, window, time.Time{}, now)
	if err != nil {
		return err
	}
	if text := known.of("this window", gapsArgs(dirsOf(places), window)); text != "" {
		_, err = fmt.Fprintln(cmd.ErrOrStderr(), "netcap: "+text)
	}
	return err
}

// check refuses what makes no sense.
func (o *readOptions) check(files []string) error {
	usage := func(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }
	switch {
	case o.count < 0:
		return usage("-c %d: not a number of packets", o.count)
	case o.times > int(decode.TimeOffset):
		return usage("-%s: at most five of them mean something", strings.Repeat("t", o.times))
	case o.numeric > 0 && o.names:
		return usage("-n prints no names and --names looks them up: choose one")
	case o.json && (o.hex > 0 || o.hexASCII > 0 || o.ascii > 0 || o.verbose > 0 || o.quiet || o.link):
		return usage("--json prints all fields: leave out -e, -q, -v, -x, -X and -A")
	case o.write == "" && o.format != "":
		return usage("--format is for -w")
	case o.format != "" && o.format != "pcap" && o.format != "pcapng":
		return usage("--format %s: not one of pcapng, pcap", o.format)
	case o.follow && len(files) != 1:
		return usage("-f follows one file, or the set in one directory: %d are given", len(files))
	case o.write != "" && o.json:
		return usage("-w writes packets and --json prints them: choose one")
	}
	return o.filter.check()
}

// split parts the places that arguments begin with from the filter, which -- begins if it isn't
// at a negative place.
func (f *finder) split(args []string, dash int) (places []report.Place, filter []string, err error) {
	if dash >= 0 {
		return f.each(args[:dash]), args[dash:], nil
	}
	return f.leading(args)
}

// read prints or writes the packets of files.
func (o *readOptions) read(cmd *cobra.Command, places []report.Place, files []string, text string, window period) (err error) {
	r := newReading(cmd, text, len(files))
	r.count = o.count
	ctx := cmd.Context()
	if o.write != "" { // printing ends at once
		var stop context.CancelFunc
		ctx, stop = untilEnded(ctx)
		defer stop()
	}
	if o.write == "" || o.write == "-" {
		var stop context.CancelFunc
		ctx, stop = untilUnread(ctx, cmd.OutOrStdout())
		defer stop()
		r.stdin = inputFor(cmd.OutOrStdout(), r.stdin)
	}
	cfg := r.config(window)
	if o.follow {
		if r.stream, err = input.Follow(ctx, files[0], cfg); err != nil {
			return err
		}
	} else {
		r.stream = input.NewStream(files, cfg)
	}
	defer func() { err = errors.Join(err, r.stream.Close()) }()
	if o.write != "" {
		packets, err := o.rewrite(ctx, cmd, r, len(files) == 1 && text == "" && window == period{} && o.count == 0)
		audit(actOf("read", window, text, packets, o.write), places...)
		return err
	}
	paged := !o.noPager && !o.follow && !slices.Contains(files, "-")
	return o.print(cmd, r, paged)
}

// rewrite writes packets into a file. whole says that all of one file's are wanted.
func (o *readOptions) rewrite(ctx context.Context, cmd *cobra.Command, r *reading, whole bool) (packets int64, err error) {
	w := &writing{command: "read", path: o.write, format: o.format, whole: whole, live: o.follow || o.write == "-", growing: o.follow}
	if err := w.run(ctx, cmd, r); err != nil {
		return w.packets, err
	}
	if w.lost != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "netcap: %s: %s\n", printable.Text(o.write), w.lost)
	}
	if w.interrupted && !o.follow { // which has no other end
		return w.packets, fmt.Errorf("interrupted: %s holds %s, not all that was asked for", printable.Text(cmp.Or(w.left, o.write)), countOf(w.packets, "packet"))
	}
	return w.packets, r.failed.err
}

// print prints packets.
func (o *readOptions) print(cmd *cobra.Command, r *reading, paged bool) (err error) {
	out := cmd.OutOrStdout()
	colors, err := colored(o.color, out)
	if err != nil {
		return err
	}
	if paged && isTerminal(out) {
		if p := newPager(out, cmd.ErrOrStderr()); p != nil {
			defer func() {
				if closed := p.Close(); err == nil {
					err = closed
				}
			}()
			out = p
		}
	}
	l := lines.New(&lines.Config{Out: out, JSON: o.json, Number: o.number, Decode: decode.Printer{
		Time: decode.TimeStyle(o.times), LinkHeader: o.link, Verbose: o.verbose, Quiet: o.quiet, Dump: o.dumpStyle(), Colors: colors && !o.json,
	}})
	p := &packetPrinter{lines: l, reading: r, numeric: o.numeric > 0}
	if o.names {
		p.lookUp = newLookUp()
	}
	err = r.each(p.print, p.flush)
	// What was read is printed before what is wrong with the rest.
	if closed := l.Close(); closed != nil {
		return closed // and not once more from where it came up
	}
	return r.failed.join(err)
}

func (o *readOptions) dumpStyle() decode.DumpStyle {
	switch {
	case o.hexASCII > 1:
		return decode.DumpHexASCIILink
	case o.hexASCII == 1:
		return decode.DumpHexASCII
	case o.hex > 1:
		return decode.DumpHexLink
	case o.hex == 1:
		return decode.DumpHex
	case o.ascii > 1:
		return decode.DumpASCIILink
	case o.ascii == 1:
		return decode.DumpASCII
	}
	return decode.DumpNone
}

// packetPrinter prints packets with what their files say beside them.
type packetPrinter struct {
	*reading
	lines   *lines.Lines
	numeric bool
	lookUp  *lookUp // nil: no names but the files'

	from    *input.File // whose names and interfaces are known
	several bool        // interfaces, of all files together
	first   string      // the first one's name
	seen    int         // interfaces of the file
	told    int         // names of the file
	names   map[netip.Addr]string
}

func (p *packetPrinter) flush() error { return p.lines.Flush() }

func (p *packetPrinter) print(pk *pcapfile.Packet) error {
	if p.from != p.file {
		p.from, p.seen, p.told = p.file, 0, 0
	}
	if all := p.file.Interfaces(); len(all) > p.seen {
		for _, i := range all[p.seen:] {
			if p.first == "" {
				p.first = i.Name
			}
			// One that came back is described again, by the same name.
			p.several = p.several || i.Name != p.first || i.Name == "" && len(all) > 1
		}
		p.seen = len(all)
		if err := p.lines.Interfaces(p.several); err != nil {
			return err
		}
	}
	if err := p.learn(pk); err != nil {
		return err
	}
	return p.lines.Print(p.number, pk)
}

// learn takes note of the names that the file has given by now, and looks others up if
// that is wanted.
func (p *packetPrinter) learn(pk *pcapfile.Packet) error {
	all := p.file.Names()
	var found map[netip.Addr]string
	if p.lookUp != nil {
		found = p.lookUp.of(pk, p.names)
	}
	if p.numeric || len(all) == p.told && len(found) == 0 {
		return nil
	}
	names := maps.Clone(p.names) // which is being printed with
	if names == nil {
		names = make(map[netip.Addr]string)
	}
	maps.Copy(names, found)
	for _, n := range all[p.told:] {
		names[n.Addr] = n.Names[0]
	}
	p.told, p.names = len(all), names
	return p.lines.Names(names)
}

// dump prints the program for packets as a file has them.
func (o *readOptions) dump(cmd *cobra.Command, path, text string) error {
	name, file, err := openFile(cmd, path)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := pcapfile.NewReader(file)
	if err != nil {
		return report.FileError(name, err)
	}
	if _, err := r.Next(); err != nil && !errors.Is(err, io.EOF) {
		return report.FileError(name, err)
	}
	if len(r.Interfaces()) == 0 {
		return fmt.Errorf("%s: describes no interface; give -y", printable.Text(name))
	}
	p, err := filter.Compile(text, &filter.Config{LinkType: filter.LinkType(r.Interfaces()[0].LinkType)})
	if err != nil {
		return err
	}
	return o.filter.print(cmd.OutOrStdout(), p)
}

// openFile opens a file of the command line, - being standard input, and
// returns its name for messages.
func openFile(cmd *cobra.Command, path string) (name string, file io.ReadCloser, err error) {
	if path == "-" {
		return "standard input", io.NopCloser(cmd.InOrStdin()), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return path, nil, report.FileError(path, err)
	}
	return path, f, nil
}

// failures collects the errors of files. That of a single file is main's to
// print; of several, each is printed as it occurs.
type failures struct {
	cmd *cobra.Command
	of  int // files
	err error
}

func (f *failures) add(err error) {
	switch {
	case err == nil:
	case f.of == 1 && f.err == nil:
		f.err = err
	default:
		if f.err != nil && !errors.Is(f.err, errSilent) { // the one was a directory
			fmt.Fprintln(f.cmd.ErrOrStderr(), "netcap: "+oneLine(f.err))
		}
		fmt.Fprintln(f.cmd.ErrOrStderr(), "netcap: "+oneLine(err))
		f.err = silent(f.err, err)
	}
}

// silent is what remains to be said of errors that were printed: whether all of them were
// about what may not be read.
func silent(before, err error) error {
	if errors.Is(err, fs.ErrPermission) && (before == nil || errors.Is(before, fs.ErrPermission)) {
		return errUnread
	}
	return errSilent
}

// join is what a command returns that failed itself, perhaps, with err. That is told though
// the errors of files were.
func (f *failures) join(err error) error {
	if errors.Is(f.err, errSilent) && err != nil {
		return err
	}
	return errors.Join(err, f.err)
}
