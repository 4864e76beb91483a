package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"netcap/internal/daemon"
	"netcap/internal/fileset"
	"netcap/internal/printable"
)

// runDir is where the PID files are of captures that don't name one.
func runDir() (string, error) {
	switch {
	case os.Geteuid() == 0:
		return "/run/netcap", nil
	case filepath.IsAbs(os.Getenv("XDG_RUNTIME_DIR")):
		return filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "netcap"), nil
	}
	dir, err := setsDir()
	if err != nil {
		return "", fmt.Errorf("PID file: %w, with --pid-file", err)
	}
	return dir, nil
}

func pidFileOf(name string) (string, error) {
	dir, err := runDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, name+".pid"), nil
}

// captureNameOf is the name of the capture that a PID file belongs to.
func captureNameOf(pidFile string) string {
	if abs, err := filepath.Abs(pidFile); err == nil {
		pidFile = abs
	}
	all, _ := remembered() // without that the file's name says it
	for _, c := range all {
		if c.pidFile == pidFile {
			return c.name
		}
	}
	return strings.TrimSuffix(filepath.Base(pidFile), ".pid")
}

// A running names a running capture on the command line.
type running struct {
	pidFile string
}

// register adds the flag that stands in for a name.
func (r *running) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.pidFile, "pid-file", "", "the capture that was given this PID file: `FILE`")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return usageError{fmt.Errorf("one name at most: %s", cmd.UseLine())}
		case len(args) == 1 && r.pidFile != "":
			return usageError{errors.New("a name or --pid-file, not both")}
		}
		return nil
	}
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		all, err := allRunning()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		names := make([]string, len(all))
		for i, path := range all {
			names[i] = captureNameOf(path)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// allRunning are the PID files of the captures that run.
func allRunning() ([]string, error) {
	dir, err := runDir()
	if err != nil {
		return nil, err
	}
	all, err := daemon.FindAll(dir)
	if err != nil {
		return nil, err
	}
	captures, _ := remembered() // what can't be read names none
	for _, c := range captures {
		if c.running && !slices.Contains(all, c.pidFile) {
			all = append(all, c.pidFile)
		}
	}
	return all, nil
}

// runningNamed is the PID file of the capture of a name.
func runningNamed(name string) (string, error) {
	captures, _ := remembered() // what can't be read names none
	captures = slices.DeleteFunc(captures, func(c known) bool { return !c.running || c.name != name })
	switch len(captures) {
	case 0:
		return pidFileOf(name)
	case 1:
		return captures[0].pidFile, nil
	}
	return "", usageError{fmt.Errorf("%d captures called %s are running: choose one by --pid-file %s or %s", len(captures), name, printable.Text(captures[0].pidFile), printable.Text(captures[1].pidFile))}
}

// path is the PID file of the capture that is meant: the only one if none is named.
func (r *running) path(args []string) (string, error) {
	switch {
	case r.pidFile != "":
		return r.pidFile, nil
	case len(args) == 1:
		if err := fileset.CheckName(args[0]); err != nil {
			return "", usageError{err}
		}
		return runningNamed(args[0])
	}
	all, err := allRunning()
	switch {
	case err != nil:
		return "", err
	case len(all) == 0:
		return "", r.none("")
	case len(all) > 1:
		names := make([]string, len(all))
		for i, path := range all {
			names[i] = captureNameOf(path)
		}
		return "", usageError{fmt.Errorf("%d captures are running: name one of %s", len(all), strings.Join(names, ", "))}
	}
	return all[0], nil
}

// none is the error that no capture of a name is running.
func (r *running) none(name string) error {
	what := "no capture is running"
	if name != "" {
		what = fmt.Sprintf("no capture called %s is running", printable.Text(name))
	}
	if os.Geteuid() != 0 {
		what += ", none of this user's: those of root are seen with sudo"
	}
	return notRunningError{errors.New(what)}
}

// notRunningError is an error for exitNotRunning.
type notRunningError struct{ error }

func (e notRunningError) Unwrap() error { return errNotRunning }

// find finds the process that is meant.
func (r *running) find(args []string) (path string, p *daemon.Process, err error) {
	if path, err = r.path(args); err != nil {
		return "", nil, err
	}
	p, err = daemon.Find(path)
	if errors.Is(err, daemon.ErrNotRunning) {
		err = r.none(captureNameOf(path))
	}
	return path, p, err
}

// untilInterrupted is a context that SIGINT and SIGTERM end, or a time-out.
func untilInterrupted(timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	return ctx, func() { cancel(); stop() }
}

func newStopCommand() *cobra.Command {
	r := &running{}
	cmd := &cobra.Command{
		Use:   "stop [NAME]",
		Short: "End a capture, and wait until all it received is on the disk",
		Long: `Ends the capture called NAME, or the only one that is running, as SIGTERM does,
and returns when its process is gone.

Exit status: 3 if there is no such capture.`,
	}
	r.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, p, err := r.find(args)
		if err != nil {
			return err
		}
		defer p.Close()
		s, kept, err := stop(path, p)
		if err != nil {
			return err
		}
		text := stopped(captureNameOf(path), p.PID, s)
		if kept {
			text += "; the kernel keeps its process, in the midst of a write, until the disk answers"
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
		return err
	}
	return cmd
}

// patienceToStop is how long a capture is waited for. A disk may take that long.
const patienceToStop = 2 * time.Minute

// stop ends a capture and waits for its process. The status is its last, nil if it
// didn't tell. kept says that it has let go of all, and can't end since its disk hangs.
func stop(path string, p *daemon.Process) (s *captureStatus, kept bool, err error) {
	ctx, cancel := untilInterrupted(patienceToStop)
	defer cancel()
	_ = auditRunning(newAct("stop"), path) // it needn't be told
	var last *captureStatus
	s = &captureStatus{}
	if err := daemon.Ask(ctx, daemon.ControlPath(path), http.MethodPost, "/stop", s); err == nil {
		last = s
	} else if ctx.Err() == nil {
		// It may be just beginning, or its socket was removed.
		if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, daemon.ErrNotRunning) {
			return nil, false, err
		}
	}
	if kept, err = waitFor(ctx, path, p); err != nil && last != nil {
		return nil, false, fmt.Errorf("%s (PID %d) has written all its packets, and still works on finished files (%w): look at its log; a second SIGTERM ends that", captureNameOf(path), p.PID, err)
	}
	if err != nil {
		return nil, false, fmt.Errorf("%s (PID %d) was asked to end and hasn't yet (%w): its disk may hang; look at its log, or kill -9 %[2]d", captureNameOf(path), p.PID, err)
	}
	return last, kept, nil
}

// waitFor waits until a process has ended, or has let go of its PID file and still is there
// seconds later.
func waitFor(ctx context.Context, path string, p *daemon.Process) (kept bool, err error) {
	const patience = 3 // seconds
	for unlocked := 0; unlocked < patience; {
		second, cancel := context.WithTimeout(ctx, time.Second)
		err = p.Wait(second)
		cancel()
		if err == nil || ctx.Err() != nil {
			return false, err
		}
		now, err := daemon.Find(path)
		if errors.Is(err, daemon.ErrNotRunning) {
			unlocked++
			continue
		}
		unlocked = 0
		if err == nil {
			_ = now.Close() // a descriptor that isn't used any more
		}
	}
	return true, nil
}

func stopped(name string, pid int, s *captureStatus) string {
	text := fmt.Sprintf("%s (PID %d) has ended", name, pid)
	if s != nil {
		text += fmt.Sprintf(": %s received, %s written, %s dropped", count(s.Packets.Received, "packet"),
			comma(s.Packets.Written), comma(s.Packets.DroppedKernel+s.Packets.DroppedDisk))
	}
	return text
}

func newRotateCommand() *cobra.Command {
	r := &running{}
	cmd := &cobra.Command{
		Use:   "rotate [NAME]",
		Short: "Have a capture begin its next file, and print the finished one",
		Long: `Has the capture called NAME, or the only one that is running, end its current
file and begin the next, without losing a packet. Prints the path of the finished
file once that is on the disk.

Exit status: 3 if there is no such capture.`,
	}
	r.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, p, err := r.find(args)
		if err != nil {
			return err
		}
		defer p.Close()
		_ = auditRunning(newAct("rotate"), path) // it needn't be told
		ctx, cancel := untilInterrupted(patienceToStop)
		defer cancel()
		var finished finishedFile
		if err := daemon.Ask(ctx, daemon.ControlPath(path), http.MethodPost, "/rotate", &finished); err != nil {
			return fmt.Errorf("%s (PID %d): %w", captureNameOf(path), p.PID, err)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), printable.Text(finished.Path))
		return err
	}
	return cmd
}
