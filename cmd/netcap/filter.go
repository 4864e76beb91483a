package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"netcap/capture/filter"
	"netcap/pcapfile"
)

// filterOptions are the flags about a filter expression.
type filterOptions struct {
	file     string
	dump     int
	linkType string
}

func (o *filterOptions) register(f *pflag.FlagSet) {
	f.StringVarP(&o.file, "filter-file", "F", "", "read the filter from `FILE`; - is standard input")
	f.CountVarP(&o.dump, "dump-program", "d", "print the program that the filter is compiled to, and exit; -dd: as C; -ddd: as numbers")
	f.StringVarP(&o.linkType, "link-type", "y", "", "with -d: compile for files of link type `TYPE`, EN10MB or LINUX_SLL2 for two")
}

// text is the expression of the arguments, or of the file that -F names: comments
// there, from # to the end of a line, are blanked out.
func (o *filterOptions) text(args []string) (string, error) {
	text := strings.Join(args, " ")
	if o.file == "" {
		return text, nil
	}
	if text != "" {
		return "", usageError{errors.New("a filter is given by -F or on the command line, not both")}
	}
	b, err := readAll(o.file)
	if err != nil {
		return "", fmt.Errorf("reading the filter: %w", err)
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	for _, line := range lines {
		if i := bytes.IndexByte(line, '#'); i >= 0 {
			for ; i < len(line) && line[i] != '\n'; i++ {
				line[i] = ' '
			}
		}
	}
	return strings.TrimSpace(string(b)), nil
}

// maxFilterFile is longer than any expression that compiles.
const maxFilterFile = 1 << 20

func readAll(path string) ([]byte, error) {
	in := io.Reader(os.Stdin)
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxFilterFile+1))
	if err == nil && len(b) > maxFilterFile {
		err = fmt.Errorf("%s: longer than %d bytes", path, maxFilterFile)
	}
	return b, err
}

// check refuses what makes no sense together.
func (o *filterOptions) check() error {
	switch {
	case o.dump > int(filter.Decimal):
		return usageError{fmt.Errorf("-%s: -d, -dd and -ddd print the program", strings.Repeat("d", o.dump))}
	case o.linkType != "" && o.dump == 0:
		return usageError{errors.New("-y is for -d: a capture has the link type of its interface")}
	}
	return nil
}

// print prints the program of an expression, as tcpdump -d, -dd and -ddd do.
func (o *filterOptions) print(w io.Writer, p *filter.Program) error {
	if err := p.Kernel(); err != nil {
		return err
	}
	_, err := io.WriteString(w, p.Dump(filter.Format(o.dump)))
	return err
}

// printFor prints the program of an expression for files of the link type of -y.
func (o *filterOptions) printFor(w io.Writer, args []string, snapLen int) error {
	text, err := o.text(args)
	if err != nil {
		return err
	}
	link, err := filter.ParseLinkType(o.linkType)
	if err != nil {
		return usageError{fmt.Errorf("-y: %w", err)}
	}
	p, err := filter.Compile(text, &filter.Config{LinkType: link, SnapLen: snapLen})
	if err != nil {
		return err
	}
	return o.print(w, p)
}

// packetFilter is an expression compiled for the link types that files have.
type packetFilter struct {
	text     string
	programs map[pcapfile.LinkType]*filter.Program
}

func newPacketFilter(text string) *packetFilter {
	return &packetFilter{text: text, programs: make(map[pcapfile.LinkType]*filter.Program)}
}

// prepare compiles the expression for packets of an interface.
func (f *packetFilter) prepare(i *pcapfile.Interface) error {
	if f.programs[i.LinkType] != nil {
		return nil
	}
	p, err := filter.Compile(f.text, &filter.Config{LinkType: filter.LinkType(i.LinkType)})
	f.programs[i.LinkType] = p
	return err
}

// match tells whether the expression accepts a packet of an interface that was
// prepared, and could be.
func (f *packetFilter) match(p *pcapfile.Packet) bool {
	program := f.programs[p.Interface.LinkType]
	return program != nil && program.Match(p.Data, int(p.Length))
}

// filterError shows the place of a mistake, below the line that says what it is.
func filterError(err error) string {
	var e *filter.Error
	if !errors.As(err, &e) || e.Expr == "" {
		return ""
	}
	var b strings.Builder
	for line := range strings.Lines(e.Caret()) {
		b.WriteString("  " + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}
