package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"netcap/internal/docker"
	"netcap/internal/fileset"
	"netcap/internal/service"
)

func newServiceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Run a capture as a systemd service",
		Long: `Makes a systemd service of a capture: it runs at each boot, as the system user netcap
with the one capability that capturing needs, and is started again whatever ends it.
netcap status, rotate, gaps and list work with it; systemctl starts and stops it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError{errors.New("install, show or uninstall? see: netcap service --help")}
		},
	}
	system := &service.System{}
	cmd.AddCommand(newServiceInstallCommand(system), newServiceShowCommand(), newServiceUninstallCommand(system))
	return cmd
}

// serviceFlags has a command take the flags of a capture, and hands on the words that
// they were.
func serviceFlags(cmd *cobra.Command, do func(cmd *cobra.Command, c *service.Capture) error) *cobra.Command {
	o := &captureOptions{}
	o.register(cmd.Flags())
	cmd.DisableFlagParsing, cmd.DisableFlagsInUseLine = true, true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := cmd.Flags().Parse(args); err != nil {
			return cmd.FlagErrorFunc()(cmd, err)
		}
		if help, err := cmd.Flags().GetBool("help"); err == nil && help {
			return cmd.Help()
		}
		c, err := serviceOf(o, args, cmd.Flags().Args())
		if err != nil {
			return err
		}
		return do(cmd, c)
	}
	return cmd
}

func newServiceShowCommand() *cobra.Command {
	return serviceFlags(&cobra.Command{
		Use:     "show [FLAGS] [FILTER…]",
		Short:   "Print the unit that install would write for a capture with these flags",
		Example: "  netcap service show -i eth0 --disk-budget 200GB tcp port 104",
	}, func(cmd *cobra.Command, c *service.Capture) error {
		text, err := service.Unit(c)
		if err == nil {
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
		}
		return err
	})
}

func newServiceInstallCommand(system *service.System) *cobra.Command {
	return serviceFlags(&cobra.Command{
		Use:   "install [FLAGS] [FILTER…]",
		Short: "Install and start a service that runs a capture with these flags",
		Long: `Writes the unit netcap-NAME.service, makes the system user netcap if it is missing,
and has systemd run the capture now and at each boot. Returns once packets are being
captured. Another install with the same NAME replaces it.`,
		Example: "  sudo netcap service install -i eth0 --disk-budget 200GB tcp port 104",
	}, func(cmd *cobra.Command, c *service.Capture) error {
		if err := system.Install(c); err != nil {
			return err
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s runs (%s); it logs to the journal: journalctl -u %[1]s\n", service.UnitName(c.Name), system.Path(c.Name))
		return err
	})
}

func newServiceUninstallCommand(system *service.System) *cobra.Command {
	return &cobra.Command{
		Use:   "uninstall NAME",
		Short: "Stop a capture's service and remove its unit; the captured files stay",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("which one? %s", cmd.UseLine())}
			}
			if err := fileset.CheckName(args[0]); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			err := system.Uninstall(args[0])
			if errors.Is(err, fs.ErrNotExist) {
				return notRunningError{fmt.Errorf("no service of a capture called %s is installed: %s is missing", args[0], system.Path(args[0]))}
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is removed; what it captured stays, in /var/lib/netcap/%s unless --dir or -w said otherwise\n", service.UnitName(args[0]), args[0])
			return err
		},
	}
}

// serviceOf is the service of a capture with these words, which options were read from.
func serviceOf(o *captureOptions, words, filter []string) (*service.Capture, error) {
	switch {
	case o.write == "-":
		return nil, usageError{errors.New("-w - is a stream: it has nowhere to go from a service")}
	case o.write != "" && !filepath.IsAbs(o.write), o.dir != "" && !filepath.IsAbs(o.dir), o.logFile != "" && !filepath.IsAbs(o.logFile),
		o.pidFile != "" && !filepath.IsAbs(o.pidFile), o.journal != "" && !filepath.IsAbs(o.journal), o.filter.file != "" && !filepath.IsAbs(o.filter.file):
		return nil, usageError{errors.New("a service has no directory of its own: give paths that begin with /")}
	case o.user != "":
		return nil, usageError{errors.New("-Z: a service runs as a user of its own, without root: leave it out")}
	case o.read != "" || o.filter.dump > 0 || o.filter.linkType != "":
		return nil, usageError{errors.New("-r, -d and -y don't capture: there is nothing for a service to do")}
	}
	if _, err := o.config(filter); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &service.Capture{
		Name: o.name, Program: self, Description: "netcap capture " + o.name + " on " + strings.Join(o.interfaces, ", "),
		Metrics: o.metrics != "",
	}
	if slices.ContainsFunc(o.interfaces, docker.IsName) {
		// Whose members Docker's socket is open to, unless it was configured otherwise.
		c.Groups = []string{"docker"}
	}
	if o.group != "" {
		c.Groups, c.Shared = append(c.Groups, o.group), true
	}
	// What root has by default a service names.
	if o.dir == "" && o.write == "" {
		c.Args = append(c.Args, "--dir", filepath.Join("/var/lib/netcap", o.name))
	}
	if o.pidFile == "" {
		c.Args = append(c.Args, "--pid-file", filepath.Join("/run/netcap", o.name+".pid"))
	} else {
		c.Writable = append(c.Writable, filepath.Dir(o.pidFile))
	}
	c.Args = append(append(c.Args, "--name", o.name), words...)
	dirs := []string{o.dir}
	for _, file := range []string{o.write, o.logFile, o.journal} {
		if file != "" {
			dirs = append(dirs, filepath.Dir(file))
		}
	}
	for _, dir := range dirs {
		if dir != "" && !strings.HasPrefix(dir, "/var/lib/netcap/") {
			c.Writable = append(c.Writable, dir)
		}
	}
	return c, nil
}
