//go:build !linux

package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"netcap/internal/ledger"
	"netcap/internal/report"
)

// Elsewhere there are no captures that keep ledgers.
func newAct(what string) ledger.Act { return ledger.Act{At: time.Now().UTC(), What: what} }

func actOf(what string, _ period, _ string, _ int64, _ string) ledger.Act { return newAct(what) }

func audit(ledger.Act, ...report.Place) {}

func listActs(*cobra.Command, []report.Place, bool) error {
	return errors.New("--audit: there are no captures here")
}
