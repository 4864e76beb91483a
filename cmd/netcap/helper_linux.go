package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"netcap/capture"
	"netcap/internal/daemon"
	"netcap/internal/docker"
	"netcap/internal/fileset"
	"netcap/internal/helper"
	"netcap/internal/journal"
	"netcap/internal/sandbox"
	"netcap/rotate"
)

// newHelperCommands are the processes beside a capture. Nobody types them.
func newHelperCommands() []*cobra.Command {
	hidden := func(name, short string, main func(*cobra.Command) error) *cobra.Command {
		return &cobra.Command{
			Use: name, Short: short, Hidden: true, Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return main(cmd) },
		}
	}
	return []*cobra.Command{
		hidden(helper.Argument, "Do for a capture what it can't do itself", func(*cobra.Command) error { return helper.Main(os.Stdin) }),
		hidden(journal.Argument, "Read for --dicom-journal", func(cmd *cobra.Command) error {
			return journal.Main(os.Stdin, cmd.OutOrStdout(), cmd.ErrOrStderr())
		}),
		hidden(sandbox.TrialArgument, "Try what confines a capture", func(cmd *cobra.Command) error { return sandbox.TrialMain(os.Stdin, cmd.OutOrStdout()) }),
		hidden(docker.GateArgument, "Ask Docker for a capture", func(*cobra.Command) error { return docker.GateMain(os.Stdin) }),
	}
}

// startHelper starts a helper process, if -z or --dicom-journal need one; nil otherwise.
func (o *captureOptions) startHelper(f *rotate.Config, log *daemon.Log) (*helper.Helper, error) {
	if o.journal == "" && o.postRotate == "" {
		return nil, nil
	}
	if o.journal != "" && o.snapLen < capture.MaxSnapLen {
		log.Warn("the DICOM journal lacks what the snapshot length cuts off: statuses and more; leave out -s", "snapshot_length", o.snapLen)
	}
	return helper.Start(&helper.Config{
		Command: o.postRotate, Journal: o.journal, User: o.commandUser(), Log: log.Logger,
		Look: func(after string) []string { return filesAfter(f, after) },
	})
}

// filesAfter are the paths of the set's files that were begun after one, as they were called
// then.
func filesAfter(f *rotate.Config, after string) (paths []string) {
	_, last, ok := fileset.ParsePath(after)
	if !ok {
		return nil
	}
	files, err := fileset.List(f.Dir, last.Set)
	if err != nil {
		return nil
	}
	for _, e := range files {
		if e.Seq > last.Seq {
			paths = append(paths, filepath.Join(f.Dir, e.Begun().String()))
		}
	}
	return slices.Compact(paths) // one that has just been compressed is there twice
}

// helperPatience is how long the DICOM journal may take after the end of the capture. A
// second signal ends the process meanwhile.
const helperPatience = 30 * time.Second

// closeHelper waits until the helper has done its work.
func closeHelper(h *helper.Helper) error {
	if h == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), helperPatience)
	defer cancel()
	return h.Close(ctx)
}
