package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"netcap/internal/printable"
	"netcap/internal/report"
	"netcap/rotate"
)

func newListCommand() *cobra.Command {
	var asJSON, acts bool
	cmd := &cobra.Command{
		Use:   "list [NAME|DIR|FILE]",
		Short: "List the files of capture sets",
		Long: `Lists the files that captures have written: of all sets, of that of the capture
called NAME, wherever it is, of those in DIR, or FILE alone.

` + placesHelp + `

A file is open while a capture writes it, and closed once the capture has ended it. After
a crash it is suspect, since it may end in the middle of a packet, and recovered if it
doesn't, or doesn't any more (see netcap repair). One on hold (see netcap hold) is marked
so.

Of more than 64 MiB in a directory, closed files are judged by their two ends, and
compressed ones always by the label that netcap has put on them; one without is "not
read". netcap info reads all of them.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("one name, directory or file at most: %s", cmd.UseLine())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			boundHeap()
			where, places, err := newFinder(cmd.ErrOrStderr()).places(args)
			if err != nil {
				return err
			}
			if acts {
				return listActs(cmd, places, asJSON)
			}
			return list(cmd, where, places, asJSON)
		},
	}
	cmd.Flags().BoolVar(&acts, "audit", false, "list who did what with the sets instead: extract, read -w, hold, release, rotate, stop and repair")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array, an object a file")
	return cmd
}

func list(cmd *cobra.Command, where string, places []report.Place, asJSON bool) error {
	files := []report.File{}
	var problems []error
	var read []report.Place
	for _, p := range places {
		more, err := report.List(p)
		if err != nil {
			problems = append(problems, err)
		} else {
			read = append(read, p)
		}
		for _, f := range more {
			if f.Err != nil {
				problems = append(problems, f.Err)
			}
		}
		files = append(files, more...)
	}
	failed := failures{cmd: cmd, of: len(problems)}
	for _, err := range problems {
		failed.add(err)
	}
	var err error
	switch {
	case asJSON:
		err = printJSON(cmd.OutOrStdout(), files)
	case len(files) > 0:
		err = printFiles(cmd.OutOrStdout(), files, len(places) > 1)
		if err == nil {
			err = sayGone(cmd.OutOrStdout(), read)
		}
	case len(problems) == 0:
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "no capture files in %s\n", printable.Text(where))
	}
	if err != nil {
		return err
	}
	return failed.err
}

// printFiles prints a table. Files of one directory go by their names.
func printFiles(w io.Writer, files []report.File, paths bool) error {
	t := newTable(w, "STATE", "FIRST", "LAST", "PACKETS", "DROPPED", "SIZE", "FILE")
	var total sum
	unread := 0
	for _, f := range files {
		name := f.Path
		if !paths {
			name = filepath.Base(name)
		}
		state := string(f.State)
		if f.Err == nil && f.JudgedBy != report.ByContent {
			unread++
			if f.JudgedBy == report.ByNothing {
				state = "not read"
			}
		}
		if f.Held {
			state += ", held"
		}
		t.row(state, tableTime(f.FirstPacket), tableTime(f.LastPacket), orDash(f.Packets), orDash(f.Dropped),
			rotate.Size(f.Bytes), printable.Text(name))
		total.add(f.Bytes, f.Packets, f.Dropped)
	}
	if err := t.end(&total); err != nil || unread == 0 {
		return err
	}
	_, err := fmt.Fprintf(w, "%s not read from beginning to end: netcap info does that\n", countFiles(unread))
	return err
}

// A sum is what stands under a table of files.
type sum struct {
	files, unrecorded int
	uncounted         int // files whose packets aren't known
	bytes             int64
	packets, dropped  uint64
}

// add adds a file; what is not known of it is nil.
func (s *sum) add(bytes int64, packets, dropped *uint64) {
	s.files++
	s.bytes += bytes
	if packets != nil {
		s.packets += *packets
	} else {
		s.uncounted++
	}
	if dropped == nil {
		s.unrecorded++
		return
	}
	s.dropped += *dropped
}

func (s *sum) String() string {
	text := fmt.Sprintf("%s, %s, %s packets", countFiles(s.files), rotate.Size(s.bytes), comma(s.packets))
	if s.uncounted > 0 {
		text += fmt.Sprintf(" (not known of %s)", countFiles(s.uncounted))
	}
	text += fmt.Sprintf(", %s dropped", comma(s.dropped))
	if s.unrecorded > 0 {
		text += fmt.Sprintf(" (not recorded in %s)", countFiles(s.unrecorded))
	}
	return text
}

func countFiles(n int) string {
	if n == 1 {
		return "1 file"
	}
	return comma(int64(n)) + " files"
}

// A table has its columns aligned, those of numbers to the right.
type table struct {
	w    io.Writer
	rows [][]string
}

func newTable(w io.Writer, head ...string) *table { return &table{w, [][]string{head}} }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// isNumber says by its head which column is one of numbers.
func isNumber(head string) bool {
	return head == "PACKETS" || head == "DROPPED" || head == "GAPS" || head == "SIZE" || head == "LOST" || head == "SHARE" ||
		head == "SENT" || head == "RECEIVED"
}

// flush prints the rows.
func (t *table) flush() error {
	head := t.rows[0]
	width := make([]int, len(head))
	for _, row := range t.rows {
		for n, cell := range row {
			width[n] = max(width[n], utf8.RuneCountInString(cell))
		}
	}
	buffered := bufio.NewWriter(t.w)
	out := tabwriter.NewWriter(buffered, 0, 0, 2, ' ', 0)
	for _, row := range t.rows {
		for n, cell := range row {
			if isNumber(head[n]) {
				cell = fmt.Sprintf("%*s", width[n], cell)
			}
			if n > 0 {
				cell = "\t" + cell
			}
			fmt.Fprint(out, cell)
		}
		fmt.Fprintln(out)
	}
	return errors.Join(out.Flush(), buffered.Flush())
}

// end prints the table and a sum of it.
func (t *table) end(total *sum) error {
	if err := t.flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(t.w, total)
	return err
}

// precise is how times are printed whose parts of a second matter.
const precise = "2006-01-02 15:04:05.000"

func tableTime(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

func orDash(n *uint64) string {
	if n == nil {
		return "-"
	}
	return comma(*n)
}
