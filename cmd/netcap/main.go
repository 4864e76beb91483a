// Netcap captures packets for months inside a disk budget, says truthfully what
// it lost, and answers questions about what it captured.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"netcap/capture/filter"
	"netcap/internal/printable"
)

// version is set when the program is built.
var version = "devel"

// Exit statuses, the same for every command.
const (
	exitFailed     = 1
	exitUsage      = 2
	exitNotRunning = 3 // there is no such capture
	exitUnreadable = 4 // what was asked about may not be looked at
	exitFound      = 5 // it was looked, and there is something
)

// usageError is an error of the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errNotRunning is part of each error that says that no such capture is running.
var errNotRunning = errors.New("not running")

// childError is the exit status of a program that has said why it ended.
type childError int

func (e childError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Errors that say nothing, since it was said: with errSilent the program ends with
// exitFailed, with errUnread with exitUnreadable, and with errFound, where there is what was
// looked for, gaps or problems, with exitFound.
var (
	errSilent = errors.New("reported already")
	errUnread = fmt.Errorf("%w: %w", errSilent, fs.ErrPermission)
	errFound  = fmt.Errorf("%w: there is something", errSilent)
)

func main() {
	// A reader that goes away is an error of writing, EPIPE, and not a signal.
	signal.Ignore(syscall.SIGPIPE)
	if err := closeInherited(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "netcap: "+oneLine(err))
	}
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	root := newRootCommand()
	root.SetArgs(readInstead(root, args))
	err := root.Execute()
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return 0
	}
	complain(os.Stderr, err)
	return exitStatus(err)
}

// complain says on standard error what went wrong, unless it was said.
func complain(stderr io.Writer, err error) {
	var child childError
	if errors.Is(err, errSilent) || errors.As(err, &child) {
		return
	}
	text := "netcap: " + oneLine(err) + "\n"
	if term.IsTerminal(int(os.Stderr.Fd())) {
		text += filterError(err)
	}
	fmt.Fprint(stderr, text)
}

func exitStatus(err error) int {
	var usage usageError
	var expression *filter.Error
	var child childError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &child):
		return int(child)
	case errors.Is(err, errFound):
		return exitFound
	case errors.Is(err, errNotRunning):
		return exitNotRunning
	case errors.As(err, &usage), errors.As(err, &expression):
		return exitUsage
	case errors.Is(err, fs.ErrPermission):
		return exitUnreadable
	}
	return exitFailed
}

// oneLine is an error on one line, as joined errors aren't, and each of them once: what ends
// a capture may come from each of its parts. Words of others that are in it, paths and names,
// do nothing to a terminal.
func oneLine(err error) string {
	var said []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !slices.Contains(said, line) {
			said = append(said, line)
		}
	}
	return printable.Line(strings.Join(said, "; "))
}

// readInstead turns the words of netcap -r FILE, as tcpdump's users type them, into those
// of netcap read FILE. Others it leaves as they are.
func readInstead(root *cobra.Command, args []string) []string {
	read, _, err := root.Find([]string{"read"})
	if err != nil {
		return args
	}
	flags := read.Flags()
	// takes reports whether a flag takes the next word for its value.
	takes := func(f *pflag.Flag) bool { return f != nil && f.NoOptDefVal == "" }
	for n := 0; n < len(args); n++ {
		word := args[n]
		file, rest := "", args[n+1:]
		switch {
		case word == "--" || len(word) < 2 || word[0] != '-':
			return args // a command, or a filter
		case word == "--read" && len(rest) > 0:
			file, rest = rest[0], rest[1:]
		case strings.HasPrefix(word, "--read="):
			file = word[len("--read="):]
		case strings.HasPrefix(word, "--"):
			if name, _, ok := strings.Cut(word[2:], "="); !ok && takes(flags.Lookup(name)) {
				n++
			}
			continue
		}
		var before []string // flags in the same word
		for i := 1; i < len(word) && file == ""; i++ {
			if word[i] != 'r' {
				f := flags.ShorthandLookup(word[i : i+1])
				if f == nil {
					return args // one that capturing has
				}
				if takes(f) {
					if i+1 == len(word) {
						n++
					}
					break
				}
				continue
			}
			if i > 1 {
				before = []string{word[:i]}
			}
			if file = strings.TrimPrefix(word[i+1:], "="); file == "" && len(rest) > 0 {
				file, rest = rest[0], rest[1:]
			}
		}
		if file != "" {
			words := append([]string{"read"}, args[:n]...)
			return append(append(append(words, before...), file), rest...)
		}
	}
	return args
}

func newRootCommand() *cobra.Command {
	root := newCaptureCommand()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see: %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(operatingCommands()...)
	root.AddCommand(newReadCommand(), newInfoCommand(), newDICOMCommand(), newListCommand(), newExtractCommand(), newRepairCommand(), newVersionCommand(), newManCommand())
	return root
}
