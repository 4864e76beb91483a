package main

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"netcap/internal/input"
	"netcap/internal/ledger"
	"netcap/internal/printable"
	"netcap/internal/report"
	"netcap/rotate"
)

func newInfoCommand() *cobra.Command {
	var asJSON bool
	var top topFlag
	cmd := &cobra.Command{
		Use:   "info NAME|DIR|FILE…",
		Short: "Say what captures hold, and whether they are whole",
		Long:  infoLong,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("a file is missing: %s", cmd.UseLine())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			boundHeap()
			infos := []*report.FileInfo{}
			args, err := top.leave(args)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return usageError{fmt.Errorf("a file is missing: %s (one called as a number is ./%d)", cmd.UseLine(), top.n)}
			}
			places := newFinder(cmd.ErrOrStderr()).each(args)
			given, err := paths(places)
			if err != nil {
				return err
			}
			files, missing := input.Expand(given)
			failed := failures{cmd: cmd, of: len(files) + len(missing)}
			for _, err := range missing {
				failed.add(err)
			}
			var together report.Together
			p := newInfoProgress(files)
			done := showProgress("info", p.of)
			for info, err := range allInfos(files, &report.InfoConfig{Stdin: cmd.InOrStdin(), Top: top.n, Opened: p.opened, Windows: &input.Windows{Wait: true}}) {
				if info != nil {
					if infos = append(infos, info); len(files) > 1 {
						together.Add(info)
					}
					info.BeingWritten = beingWritten(info.Path)
				}
				if !growing(err) {
					failed.add(err)
				}
			}
			done()
			if len(infos) > 0 && len(files) > 1 {
				infos[0].Together = together.Top()
			}
			if err := printInfos(cmd.OutOrStdout(), infos, asJSON, failed.of); err != nil {
				return err
			}
			if dirs := dirsOf(places); !asJSON && len(dirs) > 0 {
				failed.add(sayKnown(cmd.OutOrStdout(), dirs))
			}
			return failed.err
		},
	}
	top.flags = cmd.Flags()
	cmd.Flags().Var(&top, "top", "add the `N` addresses and protocols with most bytes (10 if N is left out)")
	cmd.Flags().Lookup("top").NoOptDefVal = topDefault
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array, an object a file")
	return cmd
}

const infoLong = `Reads captures to their end and says what is in them: format, time span,
packets, bytes, rates, interfaces, packets dropped, gaps, and whether they are whole. Of
several files it is a line each, and a sum; a directory stands for the captures in it, a
NAME for the set called so. Of a damaged file it says what precedes the damage, and exits
with status 1; of one that a capture is writing, what there is by now.

--top adds who talked most, and by which protocols, of several files together: they are
read as one capture. Every packet counts, retransmissions too, with its bytes as they were
on the wire: once as sent by an address and once as received by one, those of the
outermost IP header; and once for a protocol, the innermost that is recognised. A
connection is what was recognised first in it, in either direction, and all its packets
are that, acknowledgements too; fragments are what their datagram is. Where a connection
began before the capture, or was cut by the snap length, and nothing of it is recognised,
its port tells: "http (by port)".`

// sayKnown says whether packets of the sets in directories are missing.
func sayKnown(w io.Writer, dirs []report.Place) error {
	known, err := askLedgers(dirs, period{}, time.Time{}, time.Now())
	if err != nil {
		return err
	}
	what := "this set"
	if known.sets > 1 {
		what = "these sets"
	}
	if text := known.of(what, gapsArgs(dirs, period{})); text != "" {
		_, err = fmt.Fprintln(w, text)
	}
	return err
}

// allInfos reads files, one on each processor, and returns what they hold in their order.
func allInfos(paths []string, cfg *report.InfoConfig) iter.Seq2[*report.FileInfo, error] {
	type result struct {
		info *report.FileInfo
		err  error
	}
	workers := min(runtime.GOMAXPROCS(0), len(paths))
	// What was counted of a file may be megabytes: few wait for those before them.
	ahead := make(chan struct{}, 2*workers)
	stopped := make(chan struct{})
	return func(yield func(*report.FileInfo, error) bool) {
		results := make([]chan result, len(paths))
		for i := range results {
			results[i] = make(chan result, 1)
		}
		var next atomic.Int64
		defer close(stopped)
		for range workers {
			go func() {
				for {
					select {
					case ahead <- struct{}{}:
					case <-stopped:
						return
					}
					i := next.Add(1) - 1
					if i >= int64(len(paths)) {
						return
					}
					info, err := report.Info(paths[i], cfg)
					results[i] <- result{info, err}
				}
			}()
		}
		for i := range results {
			r := <-results[i]
			<-ahead
			if !yield(r.info, r.err) {
				return // nobody wants the others
			}
		}
	}
}

// infoProgress is how far the files are read.
type infoProgress struct {
	total int64
	mu    sync.Mutex
	files []*input.File
}

func newInfoProgress(paths []string) *infoProgress {
	p := &infoProgress{}
	for _, path := range paths {
		st, err := os.Stat(path)
		if err != nil || !st.Mode().IsRegular() {
			return &infoProgress{} // how much there is isn't known
		}
		p.total += st.Size()
	}
	return p
}

func (p *infoProgress) opened(f *input.File) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files = append(p.files, f)
}

func (p *infoProgress) of() (read, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.files {
		read += f.BytesRead()
	}
	return read, p.total
}

func printInfos(w io.Writer, infos []*report.FileInfo, asJSON bool, files int) error {
	switch {
	case asJSON:
		return printJSON(w, infos)
	case len(infos) == 0:
		return nil
	case files == 1:
		return printInfo(w, infos[0])
	}
	if err := printInfoTable(w, infos); err != nil || len(infos) == 0 || infos[0].Together == nil {
		return err
	}
	return printTop(w, infos[0].Together)
}

// printJSON prints a document for programs, indented for people.
func printJSON(w io.Writer, document any) error {
	e := json.NewEncoder(printable.JSON{W: w})
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document)
}

func printInfo(w io.Writer, f *report.FileInfo) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(key, format string, args ...any) { fmt.Fprintf(t, key+":\t"+format+"\n", args...) }

	line("File", "%s", printable.Text(f.Path))
	line("Format", "%s, %s", f.Format, f.ByteOrder)
	line("Compression", "%s", f.Compression)
	line("Link type", "%s", orNone(strings.Join(f.LinkTypes, ", ")))
	line("Snapshot length", "%s", snapshotLength(f.SnapshotLength))
	line("Packets", "%s", comma(f.Packets))
	line("File size", "%s", size(f.BytesFile))
	line("Data size", "%s", size(int64(f.BytesData)))
	if f.FirstPacket != nil {
		const layout = "2006-01-02 15:04:05.000000000 -07:00"
		line("First packet", "%s", f.FirstPacket.Local().Format(layout))
		line("Last packet", "%s", f.LastPacket.Local().Format(layout))
		line("Duration", "%s", duration(*f.Duration))
		if *f.Duration > 0 {
			line("Packet rate", "%s packets/s", humanize.CommafWithDigits(float64(f.Packets) / *f.Duration, 1))
			line("Data rate", "%s/s", rotate.Size(int64(float64(f.BytesData) / *f.Duration)))
		}
	}
	if f.Packets > 0 {
		line("Average packet", "%s bytes", humanize.CommafWithDigits(float64(f.BytesData)/float64(f.Packets), 1))
	}
	if text := chart(f.Rate); text != "" {
		line("Over time", "%s", text)
	}
	line("Dropped", "%s", droppedText(f))
	line("Time order", "%s", map[bool]string{true: "strict", false: "not strict: a packet is earlier than the one before"}[f.StrictlyTimeOrdered])
	line("Complete", "%s", complete(f))
	for _, g := range f.Gaps {
		line("Gap", "%s", gapText(g))
	}
	for _, i := range f.Interfaces {
		line("Interface", "%s", interfaceText(i))
	}
	if f.OS != "" || f.Hardware != "" {
		line("Captured on", "%s", printable.Text(strings.TrimSpace(f.OS+" "+f.Hardware)))
	}
	if f.Application != "" {
		line("Captured by", "%s", printable.Text(f.Application))
	}
	for _, c := range f.Comments {
		line("Comment", "%s", printable.Text(c))
	}
	if len(f.Names) > 0 {
		line("Names", "%s", namesText(f.Names))
	}
	if err := t.Flush(); err != nil || f.Top == nil {
		return err
	}
	return printTop(w, f.Top)
}

// chartColumns is how wide a chart is at most.
const chartColumns = 64

// chart draws how many packets came when, in a line; nothing of a moment.
func chart(r *report.Rate) string {
	if r == nil || len(r.Packets) < 2 {
		return ""
	}
	each := (len(r.Packets) + chartColumns - 1) / chartColumns
	var columns []uint64
	for part := range slices.Chunk(r.Packets, each) {
		var sum uint64
		for _, n := range part {
			sum += n
		}
		columns = append(columns, sum)
	}
	bars := []rune("▁▂▃▄▅▆▇█")
	peak := slices.Max(columns)
	var b strings.Builder
	for _, n := range columns {
		switch {
		case n == 0:
			b.WriteByte(' ')
		default:
			b.WriteRune(bars[(n*uint64(len(bars))-1)/peak])
		}
	}
	column := r.Seconds * float64(each)
	return fmt.Sprintf("|%s| %s packets/s at most, a column is %s", &b,
		humanize.CommafWithDigits(float64(peak)/column, 1), time.Duration(column*float64(time.Second)))
}

func gapText(g ledger.Gap) string {
	text := g.From.Local().Format(precise) + " to "
	if g.To.IsZero() {
		text += "the end"
	} else {
		text += g.To.Local().Format(precise)
	}
	text += ": " + printable.Text(string(g.Cause))
	if g.Known {
		text += ", " + count(g.Lost, "packet") + " lost"
	}
	if g.Interface != "" {
		text += ", " + printable.Text(g.Interface)
	}
	return text
}

// namesText is as many names as fit into a line.
func namesText(names []report.Name) string {
	const most = 8
	var words []string
	for _, n := range names[:min(most, len(names))] {
		words = append(words, n.Address+" "+printable.Text(strings.Join(n.Names, " ")))
	}
	text := strings.Join(words, ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}

func complete(f *report.FileInfo) string {
	switch {
	case f.BeingWritten:
		return "not yet: a capture is writing it"
	case f.Complete:
		return "yes"
	}
	text := "no: " + printable.Text(f.Reason)
	if f.TruncatedBytes > 0 {
		text = fmt.Sprintf("no: %s bytes behind the last whole packet can't be read: %s", comma(f.TruncatedBytes), printable.Text(f.Reason))
	}
	if f.Following > 0 {
		how := "netcap repair --salvage -w OUT writes them too"
		if f.Compression != input.None {
			how = "decompress it, and " + how
		}
		text += fmt.Sprintf("; whole packets among them: %s, from offset %d on (%s)", comma(f.Following), f.FollowingOffset, how)
	}
	if f.NotSearched != "" {
		text += "; what follows was not searched for packets: " + printable.Text(f.NotSearched)
	}
	return text
}

func interfaceText(i report.Interface) string {
	text := "without a name"
	if i.Name != "" {
		text = printable.Text(i.Name)
	}
	text += fmt.Sprintf(", %s, snapshot length %s, %s packets", i.LinkType, snapshotLength(i.SnapshotLength), comma(i.Packets))
	for _, c := range []struct {
		n    *uint64
		what string
	}{
		{i.Received, "received"},
		{i.DroppedByInterface, "dropped by the interface"},
		{i.FilterAccepted, "accepted by the filter"},
		{i.DroppedByOS, "dropped by the system"},
		{i.Delivered, "delivered"},
	} {
		if c.n != nil {
			text += fmt.Sprintf(", %s %s", comma(*c.n), c.what)
		}
	}
	if i.Dropped != nil && i.DroppedByInterface == nil && i.DroppedByOS == nil {
		text += fmt.Sprintf(", %s dropped", comma(*i.Dropped))
	}
	if i.Filter != "" {
		text += ", filter " + printable.Text(i.Filter)
	}
	return text
}

func printInfoTable(w io.Writer, infos []*report.FileInfo) error {
	t := newTable(w, "FORMAT", "FIRST", "LAST", "PACKETS", "DROPPED", "SIZE", "COMPLETE", "FILE")
	var total sum
	for _, f := range infos {
		whole := map[bool]string{true: "yes", false: "no"}[f.Complete]
		if f.BeingWritten {
			whole = "not yet"
		}
		t.row(f.Format, tableTime(f.FirstPacket), tableTime(f.LastPacket), comma(f.Packets), orDash(f.Dropped),
			rotate.Size(f.BytesFile), whole, printable.Text(f.Path))
		total.add(f.BytesFile, &f.Packets, f.Dropped)
	}
	return t.end(&total)
}

// comma formats a number with commas at the thousands.
func comma[N uint64 | int64](n N) string { return humanize.Comma(int64(n)) }

func size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%s (%s bytes)", rotate.Size(n), comma(n))
}

func snapshotLength(n uint32) string {
	if n == 0 {
		return "no limit"
	}
	return fmt.Sprint(n)
}

func duration(seconds float64) string {
	const long = 1 << 30 // a time.Duration holds more, if not much
	if seconds < long {
		if d := time.Duration(seconds * float64(time.Second)).Round(time.Microsecond); d >= time.Minute {
			return fmt.Sprintf("%v (%.6f s)", d.Round(time.Second), seconds)
		}
	}
	return fmt.Sprintf("%.6f s", seconds)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// droppedText is how many packets were dropped, and where.
func droppedText(f *report.FileInfo) string {
	if f.Dropped == nil {
		return "not recorded"
	}
	text := comma(*f.Dropped) + " packets"
	var device uint64
	for _, i := range f.Interfaces {
		if i.DroppedByInterface != nil {
			device += *i.DroppedByInterface
		}
	}
	if device > 0 {
		text += fmt.Sprintf(", of these %s by the interface", comma(device))
	}
	return text
}
