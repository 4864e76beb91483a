package helper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"netcap/internal/sandbox"
	"netcap/internal/seqpacket"
)

// Argument makes a netcap that is started with it run Main.
const Argument = "capture-helper"

// Config says what the helper is for.
type Config struct {
	// Command is a program and its arguments, split at white space: no shell reads it.
	// The path follows as the last argument. Empty for none.
	Command string
	// Journal is the path of a DICOM journal, "" for none.
	Journal string
	// User is whom the helper becomes; nil for nobody else.
	User *sandbox.User
	// Program is what runs Main, with Argument. Default: this program.
	Program string
	// Look returns the files of the set that were begun after another one, in order: what
	// there was no room for is found again by that. Default: it isn't.
	Look func(after string) []string
	// Patience is how long a process may not answer before another takes its place. Default:
	// 30 seconds.
	Patience time.Duration
	// Log is told what the helper logs. Default: nothing is logged.
	Log *slog.Logger
}

// mostBegun bounds the files that wait for the helper: paths, not descriptors.
const mostBegun = 10_000

// A Helper is such a process, seen from the capture, and one that is ready to go on in its
// place. Its methods but Run and Close wait for nobody.
type Helper struct {
	cfg       Config
	setup     *setup
	silent    chan struct{} // the standard error of all processes has ended
	arrived   chan *process // a spare one, or nil where none could be had
	named     chan struct{} // closed once the process knows the set's directory
	hurried   chan struct{} // closed at the end of the capture
	closed    chan struct{} // closed by Close, when all is done
	unwatched chan struct{}
	forwarded chan struct{}

	mu       sync.Mutex
	changed  chan struct{} // closed, and made anew, when there is something new of what follows
	work     *process      // the one at work, or the last that was
	spare    *process      // nil for none
	gone     bool          // nobody is
	restarts int64
	given    []string // the files that were read for the journal last, two at most
	begun    []string // those to be read
	told     int      // of begun, how many the process at work knows
	missed   bool     // some behind begun had no room
	over     bool     // no more come
	ending   bool     // the process at work knows that
	hasName  bool     // named is closed
}

var errGone = errors.New("the helper process has ended: see the log")

// Start starts a helper. A program of the command that can't be found is an error, and a
// journal that can't be written.
func Start(cfg *Config) (*Helper, error) {
	h := &Helper{
		cfg: *cfg, silent: make(chan struct{}), arrived: make(chan *process, 1), named: make(chan struct{}), changed: make(chan struct{}),
		hurried: make(chan struct{}), closed: make(chan struct{}), unwatched: make(chan struct{}), forwarded: make(chan struct{}),
	}
	if h.cfg.Log == nil {
		h.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if h.cfg.Program == "" {
		h.cfg.Program = "/proc/self/exe"
	}
	if h.cfg.Patience == 0 {
		h.cfg.Patience = 30 * time.Second
	}
	h.setup = &setup{User: cfg.User, Debug: h.cfg.Log.Enabled(context.Background(), slog.LevelDebug)}
	var err error
	if h.setup.Command, err = parse(cfg.Command); err != nil {
		return nil, err
	}
	if cfg.Journal != "" {
		if h.setup.Journal, err = filepath.Abs(cfg.Journal); err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
	}
	if h.work, err = h.start(); err != nil {
		return nil, fmt.Errorf("starting the helper process: %w", err)
	}
	go h.listen(h.work)
	if err := h.work.conn.send(&message{Setup: h.setup, Work: &work{}}); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the helper process: %w", err), h.work.conn.Close())
	}
	if err := h.work.settled(h.work.ready); err != nil {
		return nil, errors.Join(err, h.work.conn.Close())
	}
	go h.watch()
	go h.forward()
	return h, nil
}

// parse splits a command and finds its program.
func parse(command string) ([]string, error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return nil, nil
	}
	path, err := exec.LookPath(words[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fmt.Errorf("-z %s: %w", words[0], err)
	}
	words[0] = path
	return words, nil
}

// start starts the first process.
func (h *Helper) start() (*process, error) {
	ours, theirs, err := seqpacket.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	complaints, stderr, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	defer stderr.Close()
	cmd := command(h.cfg.Program, theirs)
	cmd.Stderr = stderr // of those too that it starts
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "NOTIFY_SOCKET=") { // it isn't the service
			cmd.Env = append(cmd.Env, v)
		}
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, ours.Close(), complaints.Close())
	}
	go func() { _ = cmd.Wait() }() // how it ended it has said, or the panic has
	go func() {
		defer close(h.silent)
		defer complaints.Close()
		h.complain(complaints)
	}()
	return newProcess(ours), nil
}

// command is a process with its end of a socket.
func command(program string, socket *os.File) *exec.Cmd {
	cmd := exec.Command(program, Argument)
	cmd.Stdin = socket
	// Ctrl-C at the terminal isn't for it: it ends when its work is done.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// complain logs what the processes write where a panic is written: all else comes as messages.
func (h *Helper) complain(stderr io.Reader) {
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		h.cfg.Log.Error("the helper process says", "text", lines.Text())
	}
	_, _ = io.Copy(io.Discard, stderr) // a line that was too long, and what follows
}

// wake tells who waits that something is new. mu is held.
func (h *Helper) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// Restarts is how often another process went on in the place of one.
func (h *Helper) Restarts() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.restarts
}

// Run runs the command on a path. If ctx is done the command is ended, by SIGTERM. It is
// for one goroutine. Where the process ends meanwhile, another runs the command once more.
func (h *Helper) Run(ctx context.Context, path string) error {
	for range mostRuns {
		p, _ := h.processes()
		if err := p.run(ctx, path); !errors.Is(err, errGone) {
			return err
		}
		if !h.another(p) {
			return errGone
		}
	}
	return fmt.Errorf("the helper process ended %d times while the command ran", mostRuns)
}

// mostRuns is how often the command is run on a path, where the helper process ends each time.
const mostRuns = 2

// another waits for another process in the place of p. It returns false if there is none.
func (h *Helper) another(p *process) bool {
	for {
		h.mu.Lock()
		work, gone, changed := h.work, h.gone, h.changed
		h.mu.Unlock()
		switch {
		case gone:
			return false
		case work != p:
			return true
		}
		select {
		case <-changed:
		case <-h.unwatched:
			return false
		}
	}
}

// Began says that the capture has begun a file. With the first one its directory becomes the
// set's, whatever its path leads to later.
func (h *Helper) Began(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.cfg.Journal == "" && len(h.begun) > 0: // for the directory
	case h.missed || len(h.begun) == mostBegun:
		h.missed = true
	default:
		h.begun = append(h.begun, path)
		h.wake()
	}
}

// reading notes which file is read.
func (h *Helper) reading(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := slices.Index(h.begun, path)
	if n < 0 {
		return // another process had it before
	}
	h.given = append(h.given[max(0, len(h.given)-1):len(h.given):len(h.given)], path)
	h.begun = h.begun[n+1:]
	h.told = max(0, h.told-n-1)
	h.wake()
}

// forward tells the process at work of files, in order, and at last that no more come.
func (h *Helper) forward() {
	defer close(h.forwarded)
	for {
		h.mu.Lock()
		p, changed, m := h.work, h.changed, &message{}
		switch {
		case h.gone:
			h.mu.Unlock()
			return
		case h.told < len(h.begun):
			m.Began = h.begun[h.told]
		case h.missed && len(h.begun) == 0 && h.cfg.Look != nil:
			h.mu.Unlock()
			h.look()
			continue
		case h.over && !h.ending:
			m.End = true
		default:
			m = nil
		}
		h.mu.Unlock()
		if m != nil {
			err := p.conn.send(m)
			if err == nil {
				h.sent(p, m)
				continue
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				continue // it doesn't answer, or is very slow
			}
			p.giveUp()
		}
		select {
		case <-changed:
		case <-h.closed:
			return
		}
	}
}

// sent notes that a process was told something.
func (h *Helper) sent(p *process, m *message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.Began != "" && !h.hasName {
		h.hasName = true
		close(h.named)
	}
	switch {
	case p != h.work: // the next one is told again
	case m.End:
		h.ending = true
	case h.told < len(h.begun) && h.begun[h.told] == m.Began: // else it is read already
		h.told++
	}
}

// look finds the files that there was no room for.
func (h *Helper) look() {
	h.mu.Lock()
	h.missed = false
	after := ""
	if len(h.given) > 0 {
		after = h.given[len(h.given)-1]
	}
	h.mu.Unlock()
	found := h.cfg.Look(after)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.missed = h.missed || len(found) > mostBegun
	found = found[:min(len(found), mostBegun)]
	for _, path := range h.begun { // meanwhile
		if !slices.Contains(found, path) && len(found) < mostBegun {
			found = append(found, path)
		}
	}
	h.begun = found
}

// Close says that no more comes, and waits until the helper has done its work, or ctx is
// done.
func (h *Helper) Close(ctx context.Context) error {
	h.mu.Lock()
	h.over = true
	h.wake()
	h.mu.Unlock()
	h.Hurry()
	err := h.end(ctx)
	close(h.closed)
	<-h.unwatched
	<-h.forwarded
	p, _ := h.processes()
	p.giveUp()
	select {
	case <-h.silent:
	case <-time.After(patienceAtEnd):
		h.cfg.Log.Debug("a helper process is still there")
	}
	return err
}

// patienceAtEnd is how long is waited for processes that have nothing to do any more.
const patienceAtEnd = time.Second

// Hurry has a process that doesn't answer be noticed sooner: the capture has ended.
func (h *Helper) Hurry() {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.hurried:
	default:
		close(h.hurried)
	}
}

// end waits for the end of the work, of whoever does it.
func (h *Helper) end(ctx context.Context) error {
	for {
		p, _ := h.processes()
		select {
		case err := <-p.ended:
			return err
		case <-p.over:
			select { // what it said last
			case err := <-p.ended:
				return err
			default:
			}
			if !h.another(p) {
				return errGone
			}
		case <-ctx.Done():
			return errors.New("the helper process took too long to end: the DICOM journal has not all of the capture; netcap dicom reads the files again")
		}
	}
}
