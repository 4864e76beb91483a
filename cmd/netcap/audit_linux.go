package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"netcap/internal/daemon"
	"netcap/internal/fileset"
	"netcap/internal/ledger"
	"netcap/internal/printable"
	"netcap/internal/report"
)

// newAct is what this process's user does, now.
func newAct(what string) ledger.Act {
	a := ledger.Act{At: time.Now().UTC(), What: what, UID: os.Getuid(), Terminal: terminalName(), Login: login()}
	a.User = userName(strconv.Itoa(a.UID))
	return a
}

func userName(uid string) string {
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return uid
}

// login is who logged in: as sudo says, whose word counts from root alone, else as the kernel
// does (pam_loginuid(8)).
func login() string {
	if name := os.Getenv("SUDO_USER"); name != "" && os.Getuid() == 0 {
		return name
	}
	b, err := os.ReadFile("/proc/self/loginuid")
	uid := strings.TrimSpace(string(b))
	const nobody = "4294967295"
	if err != nil || uid == "" || uid == nobody {
		return ""
	}
	return userName(uid)
}

// terminalName is the terminal of this process, "" for none.
func terminalName() string {
	for _, f := range []*os.File{os.Stdin, os.Stderr, os.Stdout} {
		if !term.IsTerminal(int(f.Fd())) {
			continue
		}
		if path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd())); err == nil {
			return path
		}
	}
	return ""
}

// actOf says which packets were asked for, how many there were, and where they went.
func actOf(what string, p period, filter string, packets int64, into string) ledger.Act {
	a := newAct(what)
	for _, t := range []struct {
		of time.Time
		to **time.Time
	}{{p.from, &a.From}, {p.to, &a.To}} {
		if !t.of.IsZero() {
			utc := t.of.UTC()
			*t.to = &utc
		}
	}
	if abs, err := filepath.Abs(into); err == nil && into != "-" {
		into = abs
	}
	a.Filter, a.Packets, a.Into = filter, &packets, into
	return a
}

// audit enters an act into the ledgers of the sets that paths are of, where this user may, and
// into the log of their captures, or the journal. Nobody is told where that can't be done.
func audit(a ledger.Act, places ...report.Place) {
	done := make(map[setAt]bool)
	for _, p := range places {
		for _, at := range setsOf(p) {
			if !done[at] {
				done[at] = true
				auditSet(a, at.dir, at.set)
			}
		}
	}
}

// setAt is a set in a directory.
type setAt struct{ dir, set string }

// setsOf are the sets of a place: that of a file, if it is of one.
func setsOf(p report.Place) (all []setAt) {
	if p.Set != "" {
		return []setAt{{p.Path, p.Set}}
	}
	if dir, f, ok := fileset.ParsePath(p.Path); ok {
		return []setAt{{dir, f.Set}}
	}
	names, err := fileset.Names(p.Path)
	if err != nil {
		return nil // no directory
	}
	for _, name := range names {
		all = append(all, setAt{p.Path, name})
	}
	return all
}

// patienceToAudit is how long a capture is waited for that is told of an act.
const patienceToAudit = 2 * time.Second

func auditSet(a ledger.Act, dir, set string) {
	err := fileset.Idle(dir, set, func() error { return ledger.Append(dir, set, a) })
	if errors.Is(err, fileset.ErrLocked) {
		var path string
		if path, err = pidFileOfSet(dir, set); err == nil {
			err = auditRunning(a, path)
		}
		if err == nil {
			return // it has logged it
		}
	}
	if journal.Enabled() {
		_ = journal.Send(actText(a, dir, set), journal.PriInfo, map[string]string{"SYSLOG_IDENTIFIER": "netcap"})
	}
}

// pidFileOfSet is that of the capture that writes a set.
func pidFileOfSet(dir, set string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	all, err := remembered()
	for _, c := range all {
		if c.running && c.place == (report.Place{Path: abs, Set: set}) {
			return c.pidFile, nil
		}
	}
	if err != nil {
		return "", err
	}
	return pidFileOf(set)
}

// auditRunning tells a capture of an act.
func auditRunning(a ledger.Act, pidFile string) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patienceToAudit)
	defer cancel()
	return daemon.Ask(ctx, daemon.ControlPath(pidFile), http.MethodPost, "/acts?act="+url.QueryEscape(string(b)), &ledger.Act{})
}

// actText is an act in a line.
func actText(a ledger.Act, dir, set string) string {
	var b strings.Builder
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, at slog.Attr) slog.Attr {
		if at.Key == slog.TimeKey || at.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return at
	}}))
	logAct(log.With("dir", dir, "set", set), a)
	return strings.TrimSpace(b.String())
}

// logAct logs an act. What a terminal would act on slog quotes.
func logAct(log *slog.Logger, a ledger.Act) {
	args := []any{"what", a.What, "user", a.User, "uid", a.UID}
	text := func(key, s string) {
		if s != "" {
			args = append(args, key, s)
		}
	}
	text("login", a.Login)
	text("terminal", a.Terminal)
	if a.From != nil {
		args = append(args, "from", *a.From)
	}
	if a.To != nil {
		args = append(args, "to", *a.To)
	}
	text("filter", a.Filter)
	if a.Packets != nil {
		args = append(args, "packets", *a.Packets)
	}
	text("into", a.Into)
	text("text", a.Text)
	log.Info("audit", args...)
}

// listActs prints what was done with the sets in directories.
func listActs(cmd *cobra.Command, places []report.Place, asJSON bool) error {
	type actOfSet struct {
		Set string `json:"set"`
		ledger.Act
	}
	all := []actOfSet{}
	failed := failures{cmd: cmd, of: len(places)}
	for _, p := range places {
		for _, at := range setsOf(p) {
			known, err := ledger.Read(at.dir, at.set, true, time.Now())
			if err != nil {
				failed.add(err)
				continue
			}
			for _, a := range known.Acts {
				all = append(all, actOfSet{at.set, a})
			}
		}
	}
	if asJSON {
		return failed.join(printJSON(cmd.OutOrStdout(), all))
	}
	t := newTable(cmd.OutOrStdout(), "TIME", "SET", "WHAT", "USER", "LOGIN", "TERMINAL", "FROM", "TO", "FILTER", "PACKETS", "INTO")
	for _, a := range all {
		packets := "-"
		if a.Packets != nil {
			packets = comma(*a.Packets)
		}
		into := a.Into
		if into == "" {
			into = a.Text
		}
		cells := []string{a.What, a.User, a.Login, a.Terminal, tableTime(a.From), tableTime(a.To), a.Filter, packets, into}
		for i, c := range cells {
			if cells[i] = printable.Text(c); c == "" {
				cells[i] = "-"
			}
		}
		t.row(append([]string{tableTime(&a.At), a.Set}, cells...)...)
	}
	return failed.join(t.flush())
}
