package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"netcap/internal/preflight"
	"netcap/internal/printable"
)

// measuring is how long netcap check watches the interfaces.
const measuring = 3 * time.Second

func newCheckCommand() *cobra.Command {
	o := &captureOptions{}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [FLAGS] [FILTER…]",
		Short: "Say what would go wrong with a capture, and how long its budget would last",
		Long: `Takes the flags of a capture and proves, as the user who runs it, that it would work:
interface and capabilities, the kernel's ring, the filter, which the kernel has to take on
a socket, directory, disk and budget, as the user of -Z too, PID file, log, memory, what confines
the capture, AppArmor or SELinux, and the clock. It leaves nothing behind,
and captures nothing. Then it watches the interface's own counters for three seconds
and says how long the budget lasts at that rate, without regard to a filter.

Exit status: 0 it would work, 5 it would not, 1 that could not be found out.`,
		Example: `  sudo netcap check
  sudo netcap check -i eth0 --disk-budget 200GB tcp port 104`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.preflight(args)
			if err != nil {
				return err
			}
			results, preview := preflight.Run(c)
			failed := 0
			for _, r := range results {
				if r.Verdict == preflight.Fail {
					failed++
				}
				if asJSON {
					continue
				}
				line := fmt.Sprintf("%-8s %s: %s", r.Verdict, r.Check, printable.Text(r.Text))
				if r.Mend != "" {
					line += "\n         → " + r.Mend
				}
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), line); err != nil {
					return err
				}
			}
			var forecast *preflight.Forecast
			if failed == 0 && preview != nil {
				ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
				defer stop()
				if forecast, err = preflight.Measure(ctx, c, preview, measuring); err != nil {
					return fmt.Errorf("measuring: %w", err)
				}
			}
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), newCheckReport(results, forecast)); err != nil {
					return err
				}
			} else if forecast != nil {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%-8s forecast: %s\n", preflight.OK, forecast); err != nil {
					return err
				}
			}
			if failed > 0 {
				return errFound
			}
			return nil
		},
	}
	o.register(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// checkReport is what netcap check --json prints.
type checkReport struct {
	Works     bool               `json:"works"`
	Checks    []preflight.Result `json:"checks"`
	Rate      *float64           `json:"bytes_per_second"` // null if it was not measured
	Room      *int64             `json:"room_bytes"`
	Retention *float64           `json:"retention_seconds"` // null without traffic
}

func newCheckReport(results []preflight.Result, f *preflight.Forecast) checkReport {
	c := checkReport{Works: true, Checks: results}
	for _, r := range results {
		c.Works = c.Works && r.Verdict != preflight.Fail
	}
	if f != nil {
		c.Rate, c.Room = &f.Rate, &f.Room
		if f.Rate >= 1 {
			seconds := f.Lasts().Seconds()
			c.Retention = &seconds
		}
	}
	return c
}

// preflight is what is checked for a capture with these flags.
func (o *captureOptions) preflight(filter []string) (*preflight.Config, error) {
	if o.read != "" || o.filter.dump > 0 || o.filter.linkType != "" {
		return nil, usageError{errors.New("-r, -d and -y don't capture: there is nothing to check")}
	}
	cfg, err := o.config(filter)
	if err != nil {
		return nil, err
	}
	if err := enterGroup(&cfg.Files); err != nil {
		return nil, fmt.Errorf("--group %s: %w", o.group, err)
	}
	c := &preflight.Config{Config: cfg, LogFile: o.logFile, Next: o.tried(&cfg.Files)}
	if !o.byItself {
		c.Journal, c.Command = o.journal, o.command()
	}
	if o.rootFor != nil && o.systemUID != 0 && o.user == "" {
		c.RootFor = o.rootFor.Error()
	}
	if c.PIDFile, err = o.pidPath(); err != nil {
		return nil, err
	}
	if !o.noSandbox {
		c.Sandbox = o.sandbox(&cfg.Files, c.PIDFile)
	}
	return c, nil
}

// firstFailure is why a capture wouldn't work, nil if it would.
func firstFailure(results []preflight.Result) error {
	for _, r := range results {
		if r.Verdict == preflight.Fail {
			return r.Err
		}
	}
	return nil
}
