package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"netcap/capture/filter"
	"netcap/internal/decode"
	"netcap/internal/report"
	"netcap/pcapfile"
)

type readOptions struct {
	count   int64
	times   int
	numeric int
	filter  filterOptions
}

func newReadCommand() *cobra.Command {
	o := &readOptions{}
	cmd := &cobra.Command{
		Use:   "read FILE… [FILTER…]",
		Short: "Print packets, a line each",
		Long: `Prints the packets of captures, a line each, much as tcpdump -n does.

Arguments that are files are read in this order, - is standard input; the first
one that is no file begins the filter. Sequence numbers of TCP are those in the
packet, as tcpdump -S prints them. An address that the file has a name for, that of
a container perhaps, is printed as that name, unless -n is given. Nothing is looked
up elsewhere.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("a file to read is missing: %s", cmd.UseLine())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	f := cmd.Flags()
	f.Int64VarP(&o.count, "count", "c", 0, "stop after `N` packets")
	f.CountVarP(&o.times, "time-style", "t", "-t: no time; -tt: seconds since the epoch; -ttt: since the packet before; -tttt: with the date; -ttttt: since the first packet")
	o.filter.register(f)
	f.CountVarP(&o.numeric, "numeric", "n", "print addresses as numbers, those too that the file has names for")
	return cmd
}

func (o *readOptions) run(cmd *cobra.Command, args []string) error {
	if o.count < 0 {
		return usageError{fmt.Errorf("-c %d: not a number of packets", o.count)}
	}
	if o.times > int(decode.TimeOffset) {
		return usageError{fmt.Errorf("-%s: at most five of them mean something", strings.Repeat("t", o.times))}
	}
	if err := o.filter.check(); err != nil {
		return err
	}
	files, expression := splitFiles(args)
	if len(files) == 0 {
		return fmt.Errorf("%s: no such file", report.Printable(args[0]))
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
	p := &packetPrinter{out: bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10), count: o.count}
	p.printer.Time = decode.TimeStyle(o.times)
	p.numeric = o.numeric > 0
	if text != "" {
		p.filter = newPacketFilter(text)
	}
	if file, ok := cmd.OutOrStdout().(*os.File); ok {
		p.atOnce = term.IsTerminal(int(file.Fd()))
	}
	failed := failures{cmd: cmd, of: len(files)}
	for _, path := range files {
		err := p.printFile(cmd, path)
		// What was read is printed before what is wrong with the rest, and
		// what can't be written is the end of it all.
		if err := p.out.Flush(); err != nil {
			return err
		}
		failed.add(err)
		if p.done() {
			break
		}
	}
	return failed.err
}

// splitFiles parts the files that arguments begin with from the filter.
func splitFiles(args []string) (files, filter []string) {
	for n, arg := range args {
		if _, err := os.Stat(arg); arg != "-" && errors.Is(err, fs.ErrNotExist) {
			return args[:n], args[n:]
		}
	}
	return args, nil
}

// packetPrinter prints the packets of one file after the other.
type packetPrinter struct {
	printer    decode.Printer
	filter     *packetFilter // nil takes all
	out        *bufio.Writer
	atOnce     bool // not only when the buffer is full
	count      int64
	printed    int64
	interfaces int // how many of the file were looked at
	names      int // likewise
	numeric    bool
	line       []byte
}

// done reports whether as many packets are printed as were asked for.
func (p *packetPrinter) done() bool { return p.count > 0 && p.printed == p.count }

func (p *packetPrinter) printFile(cmd *cobra.Command, path string) error {
	name, file, err := openFile(cmd, path)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := pcapfile.NewReader(file)
	if err != nil {
		return report.FileError(name, err)
	}
	p.printer.Interfaces, p.interfaces = false, 0
	p.printer.Names, p.names = nil, 0
	for !p.done() {
		pk, err := r.Next()
		if err := p.meet(r.Interfaces()); err != nil {
			return err
		}
		p.learn(r.Names())
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return report.FileError(name, err)
		}
		if p.filter != nil && !p.filter.match(pk) {
			continue
		}
		p.line = append(p.printer.Append(p.line[:0], pk), '\n')
		if _, err := p.out.Write(p.line); err != nil {
			return err
		}
		if p.atOnce {
			if err := p.out.Flush(); err != nil {
				return err
			}
		}
		p.printed++
	}
	return nil
}

// meet takes note of the interfaces that are described by now.
func (p *packetPrinter) meet(all []*pcapfile.Interface) error {
	if len(all) == p.interfaces {
		return nil
	}
	p.printer.Interfaces = p.printer.Interfaces || severalNames(all[p.interfaces:], all[0])
	if p.filter != nil {
		for _, i := range all[p.interfaces:] {
			if err := p.filter.prepare(i); err != nil {
				return err
			}
		}
	}
	p.interfaces = len(all)
	return nil
}

// learn takes note of the names that the file has given by now: the first of an address
// that has several, and the last that was given.
func (p *packetPrinter) learn(all []pcapfile.Name) {
	if len(all) == p.names || p.numeric {
		return
	}
	if p.printer.Names == nil {
		p.printer.Names = make(map[netip.Addr]string)
	}
	for _, n := range all[p.names:] {
		p.printer.Names[n.Addr] = n.Names[0]
	}
	p.names = len(all)
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
		return fmt.Errorf("%s: describes no interface; give -y", report.Printable(name))
	}
	p, err := filter.Compile(text, &filter.Config{LinkType: filter.LinkType(r.Interfaces()[0].LinkType)})
	if err != nil {
		return err
	}
	return o.filter.print(cmd.OutOrStdout(), p)
}

// severalNames reports whether there are interfaces beside the first. One that
// came back is described again, by the same name.
func severalNames(more []*pcapfile.Interface, first *pcapfile.Interface) bool {
	for _, i := range more {
		if i != first && (i.Name == "" || i.Name != first.Name) {
			return true
		}
	}
	return false
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
	case f.of == 1:
		f.err = err
	default:
		fmt.Fprintln(f.cmd.ErrOrStderr(), "netcap: "+oneLine(err))
		f.err = errSilent
	}
}
