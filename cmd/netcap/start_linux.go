package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"netcap/internal/daemon"
	"netcap/internal/preflight"
)

func newStartCommand() *cobra.Command {
	o := &captureOptions{}
	cmd := &cobra.Command{
		Use:   "start [FLAGS] [FILTER…]",
		Short: "Capture detached from the terminal",
		Long: `Starts a capture with the flags of netcap itself, detached from the terminal, and
returns once packets are being captured. If that fails it says why, with the
capture's own words and exit status.

It logs to /var/log/netcap/NAME.log, for a user beside the sets, unless --log-file
says otherwise. netcap status, rotate and stop act on it by its NAME.`,
		Example: `  sudo netcap start
  sudo netcap start -i eth0 --name edge --disk-budget 200GB tcp port 104
  sudo netcap stop edge`,
		DisableFlagParsing:    true, // the capture is given the same words
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cmd.Flags().Parse(args); err != nil {
				return cmd.FlagErrorFunc()(cmd, err)
			}
			if help, err := cmd.Flags().GetBool("help"); err == nil && help {
				return cmd.Help()
			}
			return start(cmd, o, args)
		},
	}
	o.register(cmd.Flags())
	return cmd
}

// start starts a capture with the words of a command line that o was read from.
func start(cmd *cobra.Command, o *captureOptions, args []string) error {
	switch {
	case o.write == "-":
		return usageError{errors.New("-w - is a stream: it has nowhere to go from a capture without a terminal")}
	case o.read != "" || o.filter.dump > 0 || o.filter.linkType != "":
		return usageError{errors.New("-r, -d and -y don't capture: leave out start")}
	}
	c, err := o.preflight(cmd.Flags().Args())
	if err != nil {
		return err
	}
	log, err := o.detachedLog()
	if err != nil {
		return err
	}
	c.LogFile = log
	results, _ := preflight.Run(c)
	if err := firstFailure(results); err != nil {
		return err
	}
	if o.logFile == "" {
		args = append([]string{"--log-file", log}, args...)
	}
	return startDetached(cmd, o.name, args, "", log)
}

// detachedLog is where a capture logs to that has no terminal.
func (o *captureOptions) detachedLog() (string, error) {
	switch {
	case o.logFile != "":
		return filepath.Abs(o.logFile)
	case os.Geteuid() == 0:
		return filepath.Join("/var/log/netcap", o.name+".log"), nil
	}
	dir, err := setsDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, o.name+".log"), nil
}

// patienceToStart is how long a capture may take until it receives packets.
const patienceToStart = time.Minute

// startDetached starts this program anew, in a directory if it isn't empty.
func startDetached(cmd *cobra.Command, name string, args []string, dir, log string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.Command(self, args...)
	child.Dir = dir
	ctx, cancel := untilInterrupted(patienceToStart)
	defer cancel()
	status, err := daemon.Start(ctx, child, log)
	var ended *daemon.EndedError
	if errors.As(err, &ended) {
		fmt.Fprintln(cmd.ErrOrStderr(), ended.Said)
		return childError(max(ended.Status, exitFailed)) // a signal has no status
	}
	if err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s (PID %d) is %s; it logs to %s\n", name, child.Process.Pid, status, log)
	return err
}

func newRestartCommand() *cobra.Command {
	r := &running{}
	cmd := &cobra.Command{
		Use:   "restart [NAME]",
		Short: "End a capture and start it again with the same flags",
		Long: `Ends the capture called NAME, or the only one that is running, waits until all it
received is on the disk, and starts it again with the flags it was started with, in
the same directory, detached. Its set goes on where it was.

Exit status: 3 if there is no such capture.`,
	}
	r.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, p, err := r.find(args)
		if err != nil {
			return err
		}
		defer p.Close()
		name := captureNameOf(path)
		words, dir, err := commandLine(p.PID)
		if err != nil {
			return fmt.Errorf("%s (PID %d): %w", name, p.PID, err)
		}
		o := &captureOptions{}
		flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
		o.register(flags)
		if err := flags.Parse(words); err != nil {
			return fmt.Errorf("%s (PID %d) was started by a netcap with other flags: %w: stop it, and start it anew", name, p.PID, err)
		}
		o.name = name
		log, err := o.detachedLog()
		if err != nil {
			return err
		}
		if o.logFile == "" {
			words = append([]string{"--log-file", log}, words...)
		}
		if _, _, err := stop(path, p); err != nil {
			return err
		}
		return startDetached(cmd, name, words, dir, log)
	}
	return cmd
}

// commandLine is what a process was started with, and where.
func commandLine(pid int) (args []string, dir string, err error) {
	proc := fmt.Sprintf("/proc/%d/", pid)
	b, err := os.ReadFile(proc + "environ")
	if err != nil {
		return nil, "", err
	}
	if strings.Contains("\x00"+string(b), "\x00INVOCATION_ID=") && !strings.Contains("\x00"+string(b), "\x00"+daemon.LogVariable+"=") {
		return nil, "", errors.New("systemd runs it: restart its service with systemctl")
	}
	if b, err = os.ReadFile(proc + "cmdline"); err != nil {
		return nil, "", err
	}
	words := strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
	dir, err = os.Readlink(proc + "cwd")
	return words[1:], dir, err
}

// operatingCommands are those that act on running captures.
func operatingCommands() []*cobra.Command {
	return append(newHelperCommands(), newStartCommand(), newStopCommand(), newRestartCommand(), newCheckCommand(), newInterfacesCommand(), newStatusCommand(), newRotateCommand(), newGapsCommand(), newHoldCommand(), newReleaseCommand(), newServiceCommand())
}
