package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netcap/internal/fileset"
)

// mostWaiting bounds the files that are waited for: paths, not descriptors.
const mostWaiting = 10_000

// Flags open what has the name of a capture's file: nothing is waited for, whatever it is.
const Flags = os.O_RDONLY | unix.O_LARGEFILE | unix.O_NOFOLLOW | unix.O_NONBLOCK

// Config says where a journal goes.
type Config struct {
	// Path of the journal. It is appended to, and when it has 50 MB it is renamed to one
	// with the time in its name, of which the last nine are kept.
	Path string
	// Open opens a file that was begun, for reading, by the path that it was begun with or
	// that and an extension. An error that is fs.ErrNotExist says that it isn't there.
	// Default: by that path.
	Open func(path string) (*os.File, error)
	// Again says that the process that kept the journal before has ended in the midst of it:
	// of the lines that it wrote none is written again. Given are the files, two at most, that
	// were read last then, to begin with; Reading is told of each that is read from now on.
	Again   bool
	Given   []string
	Reading func(path string)
	// Command is what runs Main. Default: this program, with the argument Argument.
	Command []string
	// Log is told what happens. Default: nothing is logged.
	Log *slog.Logger
}

// A Keeper has files read, by a process of its own, and keeps the journal.
type Keeper struct {
	cfg   Config
	lines *lines
	done  chan struct{}
	kill  context.CancelFunc

	// given are the last two files that were given away, which another process begins with:
	// of the first one something may not have been told yet. It is for one goroutine.
	given []string

	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, when there is something new
	waiting []string      // files that were not given away
	lost    int           // files that were left out before
	over    bool          // no more come
}

// New opens a journal. Its directory has to be there.
func New(cfg *Config) (*Keeper, error) {
	k := &Keeper{cfg: *cfg, given: slices.Clone(cfg.Given), done: make(chan struct{}), changed: make(chan struct{})}
	if k.cfg.Log == nil {
		k.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if k.cfg.Open == nil {
		k.cfg.Open = func(path string) (*os.File, error) { return os.OpenFile(path, Flags, 0) }
	}
	if len(k.cfg.Command) == 0 {
		k.cfg.Command = []string{"/proc/self/exe", Argument}
	}
	path, err := filepath.Abs(k.cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if k.lines, err = newLines(path, k.cfg.Log); err != nil {
		return nil, err
	}
	if k.cfg.Again {
		k.lines.earlier = keysOf(path)
	}
	return k, nil
}

// Start starts reading.
func (k *Keeper) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	k.kill = cancel
	go func() {
		defer close(k.done)
		k.run(ctx)
	}()
}

// Began says that the capture has begun a file. It never waits.
func (k *Keeper) Began(path string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.waiting) == mostWaiting {
		k.waiting = k.waiting[1:]
		k.lost++
	}
	k.waiting = append(k.waiting, path)
	k.wake()
}

// Close says that no more comes, and waits until all is read, or ctx is done: the process
// is killed then, and the error says so. Without Start it only closes the file.
func (k *Keeper) Close(ctx context.Context) (err error) {
	if k.kill == nil {
		return k.lines.close()
	}
	k.mu.Lock()
	k.over = true
	k.wake()
	k.mu.Unlock()
	select {
	case <-k.done:
	case <-ctx.Done():
		err = errors.New("the journal has not all of the capture: reading it took too long after its end; netcap dicom reads the files again")
		k.kill()
		<-k.done
	}
	k.kill()
	return errors.Join(err, k.lines.close())
}

// wake tells who waits that something is new.
func (k *Keeper) wake() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// state is what there is, and a channel that is closed when that has changed.
func (k *Keeper) state() (waiting int, over bool, changed <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.waiting), k.over, k.changed
}

// next takes the next file, "" if there is none, and how many were left out before it.
func (k *Keeper) next() (path string, lost int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.waiting) == 0 {
		return "", 0
	}
	path, k.waiting = k.waiting[0], k.waiting[1:]
	lost, k.lost = k.lost, 0
	k.given = append(k.given[max(0, len(k.given)-1):], path)
	if k.cfg.Reading != nil {
		k.cfg.Reading(path)
	}
	return path, lost
}

// How long is waited before the process is started again.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// mostFailures is how often the process is started in vain after the end of the capture.
const mostFailures = 3

// run keeps a process running until all is read.
func (k *Keeper) run(ctx context.Context) {
	died, deaths, pause, failures := "", 0, firstPause, 0
	for ctx.Err() == nil {
		began := time.Now()
		current, err := k.process(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if deaths++; current != died {
			died, deaths = current, 1
		}
		if deaths > 1 && current != "" {
			k.given = slices.DeleteFunc(k.given, func(path string) bool { return path == current })
			k.lines.skipped([]string{current}, fmt.Sprintf("the process that read it ended twice: %v", err))
			died, deaths = "", 0
		}
		k.cfg.Log.Error("the DICOM journal's process has ended, and is started again; the capture goes on", "error", err, "file", current)
		_, over, _ := k.state()
		if over {
			if failures++; failures == mostFailures {
				k.lines.skipped(nil, fmt.Sprintf("the last files weren't read: %v", err))
				return
			}
		}
		if over || time.Since(began) > lastPause {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// open opens a file that was begun: it may have been compressed, or deleted.
func (k *Keeper) open(path string) (f *os.File, err error) {
	for _, variant := range fileset.Variants(path) {
		if f, err = k.cfg.Open(variant); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
