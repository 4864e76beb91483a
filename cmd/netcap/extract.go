package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"netcap/capture/filter"
	"netcap/internal/input"
	"netcap/internal/printable"
	"netcap/internal/priority"
	"netcap/internal/scrub"
	"netcap/rotate"
)

type extractOptions struct {
	from, to, write, filterFile, scrub string
	keepComments                       bool
	now                                time.Time
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

` + timeHelp + `
A packet of the time of --from is in the file, one of that of --to isn't. Without --from or
--to there is no bound on that side; of sets one of them is needed.

--scrub dicom makes a copy for a vendor: the bytes of DICOM data sets, and of user names and
passcodes, become zeros, and so does all that isn't known to be harmless; associations,
commands, lengths, times and what TCP did remain, and right checksums are right. AE titles,
UIDs, error comments, implementation names and addresses stay. Of other protocols only
numbers and words of the protocol itself stay: of TLS records' headers, cipher suites and the
server's name, of HTTP method, status and lengths, of SSH the banner, of HL7 the kind of
message. At ports and hosts of DICOM's less of that stays. At the end the summary names them,
by connection and bytes. What is in tunnels that netcap doesn't know, in fragments, in trailers
and padding, and in connections of MPTCP that share a stream becomes zeros.

Of what the files say beside their packets, decryption secrets, journal entries, custom blocks,
hashes and other options of packets, and what nobody defined, are left out of the copy;
comments, names, filters, descriptions and other options too, unless --keep-comments is
given. Interfaces keep the names that systems give, addresses and speeds. The summary counts
what is left out.

OUT is pcapng or pcap by its extension, else the format of what is read; - is standard
output. Nothing is ever overwritten. What the captures say beside their packets is kept;
what can't be is said. The file has its name once it is whole: until then, and if netcap is
interrupted or killed, that ends in .part. At the end netcap says whether the ledger knows of
packets that are missing in that interval. It runs at the lowest priority: a capture comes
first.`,
		Example: `  sudo netcap extract docker0 --from 14:00 --to 14:05 -w ticket42.pcapng
  netcap extract --from 15m tcp port 104 -w - | tshark -r -
  netcap extract one.pcap.gz two.pcapng -w both.pcapng
  netcap extract --scrub dicom ticket42.pcapng tcp port 11112 -w for-the-vendor.pcapng`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.now = time.Now()
			return o.run(cmd, args)
		},
	}
	f := cmd.Flags()
	registerPeriod(f, &o.from, &o.to, "")
	f.StringVarP(&o.write, "write", "w", "", "write to `OUT`; - is standard output")
	f.StringVar(&o.scrub, "scrub", "", "overwrite what is confidential: `KIND` is dicom, its data sets")
	f.BoolVar(&o.keepComments, "keep-comments", false, "with --scrub: keep comments, names, filters and descriptions")
	f.StringVarP(&o.filterFile, "filter-file", "F", "", "read the filter from `FILE`; - is standard input")
	return cmd
}

func (o *extractOptions) run(cmd *cobra.Command, args []string) error {
	if o.write == "" {
		return usageError{errors.New("-w is missing: where to write to, a file or -")}
	}
	if cmd.Flags().Changed("scrub") && o.scrub != "dicom" {
		return usageError{fmt.Errorf("--scrub %q: dicom is all there is", o.scrub)}
	}
	if o.keepComments && o.scrub == "" {
		return usageError{errors.New("--keep-comments is for --scrub: without that, comments are kept anyway")}
	}
	p, err := parsePeriod(cmd.ErrOrStderr(), o.from, o.to, o.now)
	if err != nil {
		return err
	}
	// What follows -- is the filter, whatever files are called so.
	var dashed []string
	if n := cmd.ArgsLenAtDash(); n >= 0 {
		args, dashed = args[:n], args[n:]
	}
	from, err := newFinder(cmd.ErrOrStderr()).sources(args)
	if err != nil {
		return err
	}
	dirs := dirsOf(from.places)
	from.filter = append(from.filter, dashed...)
	if p.from.IsZero() && p.to.IsZero() && len(dirs) > 0 {
		return usageError{errors.New("--from is missing: since when? A whole set would be written twice to the disk")}
	}
	text, err := (&filterOptions{file: o.filterFile}).text(from.filter)
	if err != nil {
		return err
	}
	if from.all && text != "" {
		// A name that is misspelt looks like a filter.
		if _, err := filter.Compile(text, nil); err != nil {
			return usageError{fmt.Errorf("%s: %w; and as a filter: %w", printable.Text(args[0]), errNoPlace, err)}
		}
	}
	_ = priority.LowerProcess() // at its own priority it does no harm either, only sooner

	ctx, stop := untilEnded(cmd.Context())
	defer stop()
	const several = 2 // what is wrong with a file is said at once
	e := &extraction{reading: newReading(cmd, text, several), files: make(map[string]bool)}
	e.writing = writing{command: "extract", path: o.write, live: o.write == "-", scrub: o.scrub != "", words: o.keepComments, took: func(f *input.File) { e.files[f.Path] = true }}
	if o.write == "-" {
		e.stdin = inputFor(cmd.OutOrStdout(), e.stdin)
	}
	paths, err := paths(from.places)
	if err != nil {
		return err
	}
	e.stream = input.NewStream(paths, e.config(p))
	defer e.stream.Close()
	if err := e.run(ctx, cmd, e.reading); err != nil {
		return err
	}
	audit(actOf("extract", p, text, e.packets, o.write), filePlaces(slices.Collect(maps.Keys(e.files)))...)
	if err := e.say(o.write, from, p, o.now); err != nil {
		return err
	}
	return e.failed.err
}

// extraction is the work at hand.
type extraction struct {
	*reading
	writing
	files map[string]bool // that packets are from
}

// say says in one line what came of it, and of --scrub in one each what was done.
func (e *extraction) say(path string, from sources, p period, now time.Time) error {
	text := fmt.Sprintf("%s of %s", countOf(e.packets, "packet"), countFiles(len(e.files)))
	if w := window(p); w != "" {
		text += ", " + w
	}
	switch {
	case e.discarded:
		text += ": nothing is written"
	case path != "-":
		path = cmp.Or(e.left, path)
		st, err := os.Stat(path)
		if err != nil {
			return err
		}
		text += fmt.Sprintf(", in %s (%s)", printable.Text(path), rotate.Size(st.Size()))
	}
	between := "; "
	if e.scrub {
		between = "\n  "
		text += between + strings.Join(overwritten(&e.scrubbed), between)
		if e.words {
			text += between + "comments and names were kept as they are"
		}
	}
	if e.lost != "" {
		lost := e.lost
		if e.scrub {
			lost = folded(strings.ReplaceAll(lost, "; ", between))
		}
		text += between + lost
	}
	if e.interrupted {
		text = "interrupted: not all of it: " + text
		e.failed.err = errSilent
	}
	known, err := askLedgers(from.places, p, time.Time{}, now)
	if err != nil {
		e.failed.add(err)
	} else if known := known.of("this window", gapsArgs(dirsOf(from.places), p)); known != "" {
		text += between + known
	}
	_, err = fmt.Fprintln(e.failed.cmd.ErrOrStderr(), "netcap: "+text)
	return err
}

// overwritten says what --scrub did, in lines.
func overwritten(s *scrub.Stats) (lines []string) {
	in := func(o *scrub.Overwritten) string {
		return fmt.Sprintf("%s in %s", rotate.Size(o.Bytes), countOf(o.Packets, "packet"))
	}
	text := "no data sets of DICOM were found"
	if s.DICOM.Connections > 0 {
		text = fmt.Sprintf("data sets of %s overwritten: %s", countOf(s.DICOM.Connections, "connection"), in(&s.DICOM))
	}
	lines = append(lines, text)
	if s.Unknown.Connections > 0 {
		lines = append(lines, fmt.Sprintf("payload of %s overwritten: %s", countOf(s.Unknown.Connections, "unknown connection"), in(&s.Unknown)))
	}
	if s.Unread.Packets > 0 {
		lines = append(lines, "UDP, fragments, tunnels, strays, padding overwritten: "+in(&s.Unread))
	}
	return append(lines, passed(s)...)
}

// passed says what --scrub left as it was in connections of other protocols: those with most
// of it, and of the others how many of which protocol.
func passed(s *scrub.Stats) (lines []string) {
	const most = 5
	all := slices.Clone(s.Passed)
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b *scrub.Passed) int { return cmp.Compare(b.Bytes, a.Bytes) })
	lines = append(lines, "passed unchanged, words and numbers of the protocol itself:")
	others := maps.Clone(s.Others)
	if others == nil {
		others = make(map[string]scrub.Overwritten)
	}
	for i, p := range all {
		if i < most {
			lines = append(lines, fmt.Sprintf("  %s, %v to %v: %s", p.Protocol, p.Client, p.Server, rotate.Size(p.Bytes)))
			continue
		}
		o := others[p.Protocol]
		others[p.Protocol] = scrub.Overwritten{Connections: o.Connections + 1, Packets: o.Packets + p.Packets, Bytes: o.Bytes + p.Bytes}
	}
	for _, protocol := range slices.Sorted(maps.Keys(others)) {
		o := others[protocol]
		lines = append(lines, fmt.Sprintf("  %s, %s: %s", protocol, countOf(o.Connections, "other connection"), rotate.Size(o.Bytes)))
	}
	return lines
}

// folded breaks lines that are longer than a terminal's between words, and indents what is
// broken off.
func folded(text string) string {
	const columns, first, indent = 79, 2, 4
	var b strings.Builder
	for line := range strings.Lines(text) {
		at := first
		for n, word := range strings.Fields(line) {
			switch {
			case n == 0:
			case at+1+len(word) > columns:
				b.WriteString("\n" + strings.Repeat(" ", indent))
				at = indent
			default:
				b.WriteByte(' ')
				at++
			}
			b.WriteString(word)
			at += len(word)
		}
		if strings.HasSuffix(line, "\n") {
			b.WriteString("\n" + strings.Repeat(" ", first))
		}
	}
	return b.String()
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
