package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"netcap/internal/report"
	"netcap/rotate"
)

func newInfoCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "info FILE…",
		Short: "Say what captures hold, and whether they are whole",
		Long: `Reads captures to their end and says what is in them: format, time span,
packets, bytes, rates, interfaces, packets dropped, and whether they are whole.
Of a damaged file it says what precedes the damage, and exits with status 1.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("a file is missing: %s", cmd.UseLine())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			infos := []*report.FileInfo{}
			failed := failures{cmd: cmd, of: len(args)}
			for _, path := range args {
				info, err := fileInfo(cmd, path)
				if info != nil {
					infos = append(infos, info)
				}
				failed.add(err)
			}
			if err := printInfos(cmd.OutOrStdout(), infos, asJSON, len(args)); err != nil {
				return err
			}
			return failed.err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array, an object a file")
	return cmd
}

func fileInfo(cmd *cobra.Command, path string) (*report.FileInfo, error) {
	name, file, err := openFile(cmd, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return report.ReadInfo(name, file)
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
	return printInfoTable(w, infos)
}

// printJSON prints a document for programs, indented for people.
func printJSON(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document)
}

func printInfo(w io.Writer, f *report.FileInfo) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(key, format string, args ...any) { fmt.Fprintf(t, key+":\t"+format+"\n", args...) }

	line("File", "%s", report.Printable(f.Path))
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
	line("Dropped", "%s", orUnknown(f.Dropped))
	line("Time order", "%s", map[bool]string{true: "strict", false: "not strict: a packet is earlier than the one before"}[f.StrictlyTimeOrdered])
	line("Complete", "%s", complete(f))
	for _, i := range f.Interfaces {
		line("Interface", "%s", interfaceText(i))
	}
	return t.Flush()
}

func complete(f *report.FileInfo) string {
	if f.Complete {
		return "yes"
	}
	return fmt.Sprintf("no: %s bytes behind the last whole packet can't be read", comma(f.TruncatedBytes))
}

func interfaceText(i report.Interface) string {
	text := "without a name"
	if i.Name != "" {
		text = report.Printable(i.Name)
	}
	text += fmt.Sprintf(", %s, snapshot length %s, %s packets", i.LinkType, snapshotLength(i.SnapshotLength), comma(i.Packets))
	if i.Dropped != nil {
		text += fmt.Sprintf(", %s dropped", comma(*i.Dropped))
	}
	if i.Filter != "" {
		text += ", filter " + report.Printable(i.Filter)
	}
	return text
}

func printInfoTable(w io.Writer, infos []*report.FileInfo) error {
	t := newTable(w, "FORMAT", "FIRST", "LAST", "PACKETS", "DROPPED", "SIZE", "COMPLETE", "FILE")
	var total sum
	for _, f := range infos {
		whole := map[bool]string{true: "yes", false: "no"}[f.Complete]
		t.row(f.Format, tableTime(f.FirstPacket), tableTime(f.LastPacket), comma(f.Packets), orDash(f.Dropped),
			rotate.Size(f.BytesFile), whole, report.Printable(f.Path))
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

func orUnknown(n *uint64) string {
	if n == nil {
		return "not recorded"
	}
	return comma(*n) + " packets"
}
