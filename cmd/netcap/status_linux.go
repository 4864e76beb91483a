package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"netcap/internal/daemon"
	"netcap/internal/holds"
	"netcap/internal/ledger"
	"netcap/internal/printable"
	"netcap/internal/record"
	"netcap/rotate"
)

// captureStatus is how a running capture does, as netcap status --json prints it.
type captureStatus struct {
	Name       string   `json:"name"`
	PID        int      `json:"pid"`
	State      string   `json:"state"` // capturing, waiting for an interface, or paused for want of room
	Interfaces []string `json:"interfaces"`
	// Devices are what Interfaces mean now, "" for one that isn't there.
	Devices []string `json:"devices"`
	Filter  string   `json:"filter"`
	// FilteredBy is who runs the filter, kernel or netcap, and "" if there is none.
	FilteredBy string `json:"filtered_by"`
	// FilterRefused is why the kernel doesn't, for each interface where it refused.
	FilterRefused []string `json:"filter_refused"`

	Started time.Time `json:"started"`
	Uptime  float64   `json:"uptime_seconds"`
	Packets struct {
		Received      int64 `json:"received"`
		Written       int64 `json:"written"`
		DroppedKernel int64 `json:"dropped_kernel"`
		DroppedDisk   int64 `json:"dropped_disk"`
		// Rejected came, and weren't taken by a filter that netcap runs: none of Received.
		Rejected int64 `json:"rejected"`
	} `json:"packets"`
	BytesWritten int64 `json:"bytes_written"`
	Gaps         int   `json:"gaps"` // of this run
	// Finished counts files that --compress and -z are for.
	Finished struct {
		Done    int64 `json:"done"`
		Failed  int64 `json:"failed"`
		Waiting int64 `json:"waiting"`
	} `json:"finished"`
	// HelperRestarts counts how often another helper process went on in the place of one that
	// ended, or didn't answer.
	HelperRestarts int64 `json:"helper_restarts"`
	// LogMissed counts lines that the log lacks, since it couldn't be written.
	LogMissed   int64          `json:"log_lines_missed"`
	Sandbox     captureSandbox `json:"sandbox"`
	CurrentFile string         `json:"current_file"`
	Files       int            `json:"files"`
	SetBytes    int64          `json:"set_bytes"`
	BudgetBytes int64          `json:"budget_bytes"`
	FreeBytes   int64          `json:"free_bytes"`
	// WriteBuffer is the bound of the memory between ring and disk, and WriteBufferOf what
	// that follows from: flag, default, memory (the machine's) or cgroup (its control group's).
	WriteBuffer   int64              `json:"write_buffer_bytes"`
	WriteBufferOf rotate.BufferBound `json:"write_buffer_of"`
	// KeepAtLeast is what stays of the set though there be no room, in bytes, and KeepLast in
	// seconds; both are 0 where nothing is. Kept says that the capture is paused for that.
	KeepAtLeast int64   `json:"keep_at_least_bytes"`
	KeepLast    float64 `json:"keep_at_least_seconds"`
	Kept        bool    `json:"paused_by_keep_at_least"`
	// Oldest is when the oldest file of the set was begun.
	Oldest *time.Time `json:"oldest"`
	// Retention is how long the budget lasts at this run's rate, null while nothing
	// is known of that.
	Retention  *float64   `json:"retention_seconds"`
	LastPacket *time.Time `json:"last_packet"`
}

// What State may be.
const (
	stateCapturing = "capturing"
	stateWaiting   = "waiting"
	statePaused    = "paused"
)

func newCaptureStatus(name string, cfg *record.Config, s record.Status) captureStatus {
	c := captureStatus{
		Name: name, PID: os.Getpid(), State: stateCapturing, Interfaces: cfg.Interfaces, Filter: cfg.Filter,
		Started: s.Started.UTC(), Uptime: time.Since(s.Started).Seconds(),
		BytesWritten: s.Files.Bytes, CurrentFile: s.Files.Current, Files: s.Files.SetLen,
		SetBytes: s.Files.Set, BudgetBytes: s.Files.Budget, FreeBytes: s.Files.Free,
		WriteBuffer: s.Files.BufferBound, WriteBufferOf: s.Files.BufferBy,
		KeepAtLeast: s.Files.KeepAtLeast, KeepLast: s.Files.KeepLast.Seconds(), Kept: s.Files.Kept,
	}
	c.Packets.Received, c.Packets.Written = s.Received, s.Written
	c.Packets.DroppedKernel, c.Packets.DroppedDisk = s.DroppedKernel, s.DroppedDisk
	c.Packets.Rejected = s.Rejected
	c.FilterRefused = refusals(s)
	switch {
	case len(c.FilterRefused) > 0:
		c.FilteredBy = "netcap"
	case c.Filter != "":
		c.FilteredBy = "kernel"
	}
	if !s.LastPacket.IsZero() {
		t := s.LastPacket.UTC()
		c.LastPacket = &t
	}
	c.Gaps = s.Gaps
	if !s.Files.Oldest.IsZero() {
		t := s.Files.Oldest.UTC()
		c.Oldest = &t
	}
	if c.BudgetBytes > 0 && c.BytesWritten > 0 && s.Written > 0 && c.Uptime > 0 {
		seconds := float64(c.BudgetBytes) / (float64(c.BytesWritten) / c.Uptime)
		c.Retention = &seconds
	}
	for _, i := range s.Interfaces {
		c.Devices = append(c.Devices, i.Device)
		if i.State != record.Up {
			c.State = stateWaiting
		}
	}
	if s.Files.Paused {
		c.State = statePaused
	}
	return c
}

// refusals are why netcap runs the filter itself, for each interface where it does.
func refusals(s record.Status) []string {
	out := []string{}
	for _, i := range s.Interfaces {
		if i.Refused != "" {
			out = append(out, i.Refused)
		}
	}
	return out
}

// finishedFile answers a request to rotate.
type finishedFile struct {
	Path string `json:"path"`
}

// A controller answers what is asked of a capture through its control socket.
type controller struct {
	name string
	cfg  *record.Config
	rec  *record.Recorder
	// later works on finished files.
	later   *finishing
	log     *daemon.Log
	sandbox captureSandbox
	end     *ending
}

func (c *controller) status() captureStatus {
	s := newCaptureStatus(c.name, c.cfg, c.rec.Status())
	f := c.later.stats()
	s.HelperRestarts = c.later.restarts()
	s.LogMissed, s.Sandbox = c.log.Missed(), c.sandbox
	s.Finished.Done, s.Finished.Failed, s.Finished.Waiting = f.Done, f.Failed, f.Waiting
	return s
}

func (c *controller) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.status()) })
	mux.HandleFunc("POST /rotate", func(w http.ResponseWriter, r *http.Request) {
		path, err := c.rec.Rotate(r.Context())
		if err != nil {
			http.Error(w, oneLine(err), http.StatusConflict)
			return
		}
		answer(w, finishedFile{path})
	})
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, r *http.Request) {
		c.end.begin()
		select {
		case <-c.end.told:
			answer(w, c.status())
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("GET /holds", func(w http.ResponseWriter, _ *http.Request) {
		all, err := holds.List(c.cfg.Files.Dir, c.cfg.Files.Name)
		answerOr(w, all, err)
	})
	mux.HandleFunc("POST /holds", func(w http.ResponseWriter, r *http.Request) {
		var h holds.Hold
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&h); err != nil {
			http.Error(w, "a JSON object with from, to and reason is expected: "+oneLine(err), http.StatusBadRequest)
			return
		}
		h.Made = time.Now().UTC()
		h, err := holds.Add(c.cfg.Files.Dir, c.cfg.Files.Name, h)
		answerOr(w, h, err)
	})
	mux.HandleFunc("DELETE /holds/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err != nil {
			http.Error(w, "not the number of a hold", http.StatusBadRequest)
			return
		}
		h, err := holds.Release(c.cfg.Files.Dir, c.cfg.Files.Name, id)
		answerOr(w, h, err)
	})
	mux.HandleFunc("POST /acts", func(w http.ResponseWriter, r *http.Request) {
		var a ledger.Act
		if err := json.Unmarshal([]byte(r.URL.Query().Get("act")), &a); err != nil {
			http.Error(w, "an act is expected, as JSON: "+oneLine(err), http.StatusBadRequest)
			return
		}
		a.At = time.Now().UTC()
		c.rec.Did(a)
		logAct(c.log.Logger, a)
		answer(w, a)
	})
	mux.Handle("GET /metrics", c.metrics())
	return mux
}

// answerOr answers, or says what went wrong.
func answerOr(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, oneLine(err), http.StatusConflict)
		return
	}
	answer(w, v)
}

// serve answers on the control socket beside a PID file, if there is one. The
// function it returns ends that, and adds to an error.
func (c *controller) serve(pidFile string) (closeIt func(*error), err error) {
	if pidFile == "" {
		return func(*error) {}, nil
	}
	control, err := daemon.Serve(daemon.ControlPath(pidFile), c.handler(), c.cfg.Log)
	if err != nil {
		return nil, err
	}
	c.end.control.Store(control)
	return func(err *error) { *err = errors.Join(*err, control.Close()) }, nil
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // who asked may have gone
}

func newStatusCommand() *cobra.Command {
	r := &running{}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Say how running captures do",
		Long: `Says how the capture called NAME does, or all that are running.

STATE is capturing; waiting while an interface is down or not there; or paused
while there is no room on the disk, so that packets are dropped.

Exit status: 3 if there is no such capture, or none at all.`,
	}
	r.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array, an object a capture")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		paths, err := r.paths(args)
		if err != nil {
			return err
		}
		all := []captureStatus{}
		failed := failures{cmd: cmd, of: len(paths)}
		for _, path := range paths {
			s, err := askStatus(path)
			switch {
			case errors.Is(err, daemon.ErrNotRunning) && len(paths) > 1: // it has just ended
			case errors.Is(err, daemon.ErrNotRunning):
				return r.none(captureNameOf(path))
			case err != nil:
				failed.add(err)
			default:
				all = append(all, *s)
			}
		}
		if len(all) == 0 && failed.err == nil {
			return r.none("")
		}
		if asJSON {
			err = printJSON(cmd.OutOrStdout(), all)
		} else if len(all) > 0 {
			err = printStatus(cmd, all)
		}
		return failed.join(err)
	}
	return cmd
}

// paths are the PID files of the captures that are meant: all if none is named.
func (r *running) paths(args []string) ([]string, error) {
	if r.pidFile == "" && len(args) == 0 {
		return allRunning()
	}
	path, err := r.path(args)
	return []string{path}, err
}

func askStatus(path string) (*captureStatus, error) {
	p, err := daemon.Find(path)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s := &captureStatus{}
	if err := daemon.Ask(ctx, daemon.ControlPath(path), http.MethodGet, "/status", s); err != nil {
		if errors.Is(err, daemon.ErrNotRunning) {
			err = errors.New("it is running, but doesn't answer yet, or its control socket was removed")
		}
		return nil, fmt.Errorf("%s (PID %d): %w", captureNameOf(path), p.PID, err)
	}
	return s, nil
}

// interfaces are the names of the interfaces, and behind them what they mean now if
// that is another.
func (s *captureStatus) interfaces() string {
	words := slices.Clone(s.Interfaces)
	for n, device := range s.Devices {
		if n < len(words) && device != "" && device != words[n] {
			words[n] += " (" + device + ")"
		}
	}
	return printable.Text(strings.Join(words, ", "))
}

// bufferBounds say what bounds the write buffer.
var bufferBounds = map[rotate.BufferBound]string{
	rotate.ByDefault: "the default",
	rotate.ByFlag:    "--write-buffer",
	rotate.ByMemory:  "what the machine's memory allows",
	rotate.ByCgroup:  "what the control group's limit allows",
}

// kept is what stays of the set.
func (s *captureStatus) kept() string {
	if s.KeepLast > 0 {
		return time.Duration(s.KeepLast * float64(time.Second)).String()
	}
	return rotate.Size(s.KeepAtLeast)
}

func printStatus(cmd *cobra.Command, all []captureStatus) error {
	t := newTable(cmd.OutOrStdout(), "NAME", "PID", "STATE", "INTERFACES", "SINCE", "PACKETS", "DROPPED", "GAPS", "SET", "FILE")
	for _, s := range all {
		set := rotate.Size(s.SetBytes)
		if s.BudgetBytes > 0 {
			set += " of " + rotate.Size(s.BudgetBytes)
		}
		t.row(s.Name, fmt.Sprint(s.PID), s.State, s.interfaces(), tableTime(&s.Started),
			comma(s.Packets.Written), comma(s.Packets.DroppedKernel+s.Packets.DroppedDisk), comma(int64(s.Gaps)), set, s.CurrentFile)
	}
	err := t.flush()
	for _, s := range all {
		if s.WriteBuffer > 0 { // not of an older version
			_, printErr := fmt.Fprintf(cmd.OutOrStdout(), "%s has up to %s of memory for a slow disk (%s)\n", s.Name, rotate.Size(s.WriteBuffer), bufferBounds[s.WriteBufferOf])
			err = errors.Join(err, printErr)
		}
		if s.Kept {
			_, printErr := fmt.Fprintf(cmd.OutOrStdout(), "%s drops packets: the disk or the budget is full, and the last %s of it are kept by --keep-at-least: free some room (%s are free)\n", s.Name, s.kept(), rotate.Size(s.FreeBytes))
			err = errors.Join(err, printErr)
		}
		for _, why := range s.FilterRefused {
			_, printErr := fmt.Fprintf(cmd.OutOrStdout(), "%s runs the filter itself, which did not take %s: %s\n", s.Name, count(s.Packets.Rejected, "packet"), printable.Text(why))
			err = errors.Join(err, printErr)
		}
		if s.HelperRestarts > 0 {
			_, printErr := fmt.Fprintf(cmd.OutOrStdout(), "%s had its helper process replaced %s: look at its log\n", s.Name, count(s.HelperRestarts, "time"))
			err = errors.Join(err, printErr)
		}
		if s.LogMissed > 0 {
			_, printErr := fmt.Fprintf(cmd.OutOrStdout(), "%s could not write %s of its log: look at what the log is on, or who reads it\n", s.Name, count(s.LogMissed, "line"))
			err = errors.Join(err, printErr)
		}
		for _, lack := range s.Sandbox.Lacks {
			_, printErr := fmt.Fprintf(cmd.OutOrStdout(), "%s is not confined in one respect: %s\n", s.Name, printable.Text(lack))
			err = errors.Join(err, printErr)
		}
	}
	return err
}
