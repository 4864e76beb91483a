package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"netcap/internal/decode"
	"netcap/pcapfile"
)

type readOptions struct {
	count int64
	times int
	names int
}

func newReadCommand() *cobra.Command {
	o := &readOptions{}
	cmd := &cobra.Command{
		Use:   "read FILE… [FILTER…]",
		Short: "Print packets, a line each",
		Long: `Prints the packets of captures, a line each, much as tcpdump -n does.

Arguments that are files are read in this order, - is standard input; the first
one that is no file begins the filter. Sequence numbers of TCP are those in the
packet, as tcpdump -S prints them. Nothing looks up names.`,
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
	f.CountVarP(&o.names, "numeric", "n", "accepted for tcpdump's sake: names are never looked up")
	return cmd
}

func (o *readOptions) run(cmd *cobra.Command, args []string) error {
	if o.count < 0 {
		return usageError{fmt.Errorf("-c %d: not a number of packets", o.count)}
	}
	if o.times > int(decode.TimeOffset) {
		return usageError{fmt.Errorf("-%s: at most five of them mean something", strings.Repeat("t", o.times))}
	}
	files, filter := splitFiles(args)
	if len(files) == 0 {
		return fmt.Errorf("%s: no such file", printable(args[0]))
	}
	if len(filter) > 0 {
		text := strings.Join(filter, " ")
		return usageError{fmt.Errorf("filter %q: filter expressions are not compiled yet; print without one, or use: tcpdump -r %s '%s'",
			text, printable(files[0]), text)}
	}
	ignoreBrokenPipe()
	p := &packetPrinter{out: bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10), left: o.count}
	p.printer.Time = decode.TimeStyle(o.times)
	if file, ok := cmd.OutOrStdout().(*os.File); ok {
		p.atOnce = term.IsTerminal(int(file.Fd()))
	}
	err := eachFile(cmd, files, func(name string, r io.Reader) error {
		if o.count > 0 && p.left == 0 {
			return nil
		}
		p.printer.Interfaces, p.interfaces = false, 0
		err := p.print(name, r)
		// What was read comes before what is wrong with the rest.
		return errors.Join(p.out.Flush(), err)
	})
	return err
}

// packetPrinter prints the packets of one file after the other.
type packetPrinter struct {
	printer    decode.Printer
	out        *bufio.Writer
	atOnce     bool  // not only when the buffer is full
	left       int64 // packets until the end; 0: no end
	interfaces int   // how many were looked at
	line       []byte
}

func (p *packetPrinter) print(name string, input io.Reader) error {
	r, err := pcapfile.NewReader(input)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for {
		pk, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if all := r.Interfaces(); len(all) != p.interfaces {
			p.printer.Interfaces = severalNames(all)
			p.interfaces = len(all)
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
		if p.left == 1 {
			return errEnough
		}
		p.left = max(p.left-1, 0)
	}
}

// severalNames reports whether packets came from more than one interface. An
// interface that came back is described again, by the same name.
func severalNames(all []*pcapfile.Interface) bool {
	for _, i := range all[1:] {
		if i.Name == "" || i.Name != all[0].Name {
			return true
		}
	}
	return false
}

// errEnough ends the work before the end of the files.
var errEnough = errors.New("enough")

// eachFile calls do for each file, open. An error is printed, and the next
// file gets its turn; those of writing, and errEnough, end it.
func eachFile(cmd *cobra.Command, files []string, do func(name string, r io.Reader) error) error {
	failed := false
	for _, path := range files {
		err := withFile(cmd, path, do)
		switch {
		case err == nil:
			continue
		case errors.Is(err, errEnough):
			return silentIf(failed)
		case errors.Is(err, syscall.EPIPE), isWriteError(err):
			return err
		case len(files) == 1:
			return err
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "netcap: "+oneLine(err))
		failed = true
	}
	return silentIf(failed)
}

func silentIf(failed bool) error {
	if failed {
		return errSilent
	}
	return nil
}
