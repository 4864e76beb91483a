package main

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"netcap/capture"
	"netcap/internal/daemon"
	"netcap/internal/journal"
	"netcap/internal/record"
)

// newJournalCommand is the process that reads for --dicom-journal. Nobody types it.
func newJournalCommand() *cobra.Command {
	return &cobra.Command{
		Use:    journal.Argument,
		Short:  "Read for --dicom-journal",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return journal.Main(os.Stdin, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
}

// openJournal prepares the journal of a capture; nil if none is wanted.
func (o *captureOptions) openJournal(cfg *record.Config, log *daemon.Log) (*journal.Keeper, error) {
	if o.journal == "" {
		return nil, nil
	}
	if o.snapLen < capture.MaxSnapLen {
		log.Warn("the DICOM journal lacks what the snapshot length cuts off: statuses and more; leave out -s", "snapshot_length", o.snapLen)
	}
	k, err := journal.New(&journal.Config{Path: o.journal, Log: log.Logger})
	if err != nil {
		return nil, err
	}
	cfg.Began = k.Began
	return k, nil
}

// journalPatience is how long the journal may take after the end of the capture. A second
// signal ends the process meanwhile.
const journalPatience = 30 * time.Second

// closeJournal waits until the journal has all of the capture.
func closeJournal(k *journal.Keeper) error {
	if k == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), journalPatience)
	defer cancel()
	return k.Close(ctx)
}
