package main

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"netcap/capture/filter"
	"netcap/internal/fileset"
	"netcap/internal/input"
	"netcap/internal/printable"
	"netcap/internal/report"
	"netcap/pcapfile"
)

// reading is the packets that are wanted of a stream.
type reading struct {
	stream *input.Stream
	filter *packetFilter // nil takes all
	count  int64         // 0: no bound
	stdin  io.Reader     // what - stands for
	failed failures
	ended  func(*input.File)            // told of each file at its end, if it isn't nil
	passed func(*pcapfile.Packet) error // given each packet that the filter doesn't take, if it isn't nil

	number     int64 // of the packet, as the files have them
	file       *input.File
	interfaces int         // how many of the file were looked at
	refused    *input.File // the last one with a link type that the filter isn't for
}

// heapLimit is from where on a command that reads captures collects what it has let go of at
// once, in bytes: it keeps below 256 MiB whatever it is given.
const heapLimit = 160 << 20

func boundHeap() { debug.SetMemoryLimit(heapLimit) }

// newReading reads packets that an expression accepts, of so many files.
func newReading(cmd *cobra.Command, expression string, files int) *reading {
	boundHeap()
	r := &reading{stdin: cmd.InOrStdin(), failed: failures{cmd: cmd, of: files}}
	if expression != "" {
		r.filter = newPacketFilter(expression)
	}
	return r
}

// config is how a stream is opened for it.
func (r *reading) config(p period) *input.Config {
	return &input.Config{Stdin: r.stdin, From: p.from, To: p.to, Ended: func(f *input.File) {
		if text := report.PassedOver(f.Reader); text != "" {
			fmt.Fprintf(r.failed.cmd.ErrOrStderr(), "netcap: %s: %s\n", printable.Text(f.Path), text)
		}
		if r.ended != nil {
			r.ended(f)
		}
	}, Changed: func(path, what string) {
		fmt.Fprintf(r.failed.cmd.ErrOrStderr(), "netcap: %s: %s\n", printable.Text(path), what)
	}}
}

// each calls do with each packet that is wanted, and idle before it may have to wait for
// more. The error is theirs; what is wrong with the files is in failed.
func (r *reading) each(do func(*pcapfile.Packet) error, idle func() error) error {
	for done := int64(0); r.count == 0 || done < r.count; {
		if r.file != nil && !r.file.Buffered() {
			if err := idle(); err != nil {
				return err
			}
		}
		pk, file, err := r.stream.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, syscall.EPIPE) { // nobody reads what would come of it: inputFor
			return err
		}
		if err != nil {
			if err := idle(); err != nil {
				return err
			}
			if !growing(err) {
				r.failed.add(judged(err))
			}
			continue
		}
		if r.number++; file != r.file {
			r.file, r.interfaces = file, 0
		}
		if r.filter != nil {
			if all := file.Interfaces(); len(all) > r.interfaces {
				if err := r.prepare(all[r.interfaces:]); err != nil {
					return err
				}
				r.interfaces = len(all)
			}
			if !r.filter.match(pk) {
				if r.passed != nil {
					if err := r.passed(pk); err != nil {
						return err
					}
				}
				continue
			}
		}
		if err := do(pk); err != nil {
			return err
		}
		done++
	}
	return nil
}

// prepare compiles the filter for more interfaces of the file. One that makes no sense on a
// file's link type is that file's error, of which others' packets know nothing.
func (r *reading) prepare(interfaces []*pcapfile.Interface) error {
	for _, i := range interfaces {
		err := r.filter.prepare(i)
		switch {
		case errors.Is(err, filter.ErrLinkType):
			if r.refused != r.file {
				r.refused = r.file
				r.failed.add(&input.FileError{Path: r.file.Path, Err: err})
			}
		case err != nil:
			return err
		}
	}
	return nil
}

// judged adds to the error of a damaged file what whole packets follow the damage: they weren't
// read.
func judged(err error) error {
	var file *input.FileError
	var format *pcapfile.FormatError
	if !errors.As(err, &file) || !errors.As(err, &format) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	text := report.Following(file.Path)
	if text == "" {
		return err
	}
	return fmt.Errorf("%w; %s: netcap repair --salvage -w OUT writes them too", err, text)
}

// growing reports whether an error is that a capture is writing the file just now: what is
// torn there will be whole in a moment.
func growing(err error) bool {
	var file *input.FileError
	return errors.As(err, &file) && errors.Is(err, io.ErrUnexpectedEOF) && beingWritten(file.Path)
}

// beingWritten reports whether a file is the last one of a set that a capture is writing.
func beingWritten(path string) bool {
	dir, f, ok := fileset.ParsePath(path)
	if !ok || !fileset.Running(dir, f.Set) {
		return false
	}
	newest, err := fileset.Newest(dir, f)
	return newest && err == nil
}
