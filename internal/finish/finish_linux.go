package finish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"netcap/internal/label"
	"netcap/internal/priority"
)

// Config says what is done with finished files.
type Config struct {
	// Dir is the directory of the files.
	Dir string
	// Compress is the method, None for none.
	Compress Method
	// Describe reads a capture to its end, or as far as it can be read, and says what is in it,
	// for the label of the compressed file; its Plain is filled in. Nil for no label, as is a
	// nil Label.
	Describe func(io.Reader) *label.Label
	// Run does something with a finished file, by its path: the command of -z. It ends
	// early if ctx is done. Nil for nothing.
	Run func(ctx context.Context, path string) error
	// KeepFree is how many bytes of the file system compressing leaves free.
	KeepFree func() int64
	// Log is told of what fails. Default: nothing is logged.
	Log *slog.Logger
}

// Stats counts files.
type Stats struct {
	Done    int64 // with all that was wanted
	Failed  int64 // kept as they were
	Waiting int64 // the one at hand included
}

// Finisher works on finished files.
type Finisher struct {
	cfg    Config
	root   *os.Root
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{}
	done   chan struct{}

	mu     sync.Mutex // of what follows
	queue  []string   // names, of which the set's bounds allow so many
	stats  Stats
	closed bool
}

// New prepares the work, and removes what a run that was killed left half done.
func New(cfg *Config) (*Finisher, error) {
	f := &Finisher{cfg: *cfg, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if f.cfg.Log == nil {
		f.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if f.cfg.KeepFree == nil {
		f.cfg.KeepFree = func() int64 { return 0 }
	}
	if _, ok := methods[cfg.Compress]; !ok && cfg.Compress != None {
		return nil, fmt.Errorf("compression %q: not one of none, gzip, zstd", cfg.Compress)
	}
	var err error
	if f.root, err = os.OpenRoot(cfg.Dir); err != nil {
		return nil, err
	}
	if err := f.tidy(); err != nil {
		return nil, errors.Join(err, f.root.Close())
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	go f.run()
	return f, nil
}

// Add has a file worked on that won't change any more. It never waits.
func (f *Finisher) Add(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append(f.queue, filepath.Base(path))
	f.stats.Waiting++
	f.call()
}

func (f *Finisher) call() {
	select {
	case f.wake <- struct{}{}:
	default: // it is awake, and looks again
	}
}

// Stats returns how many files were worked on so far.
func (f *Finisher) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

// Close waits until all files are worked on, and gives up when ctx is done: the
// file at hand stays as it was, and the command is ended. The error says how many files
// were left, and how many failed.
func (f *Finisher) Close(ctx context.Context) error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	f.closed = true
	f.call()
	f.mu.Unlock()
	defer context.AfterFunc(ctx, f.cancel)()
	<-f.done
	f.cancel()
	s := f.Stats()
	err := f.root.Close()
	if s.Waiting > 0 {
		err = errors.Join(err, fmt.Errorf("%d finished file(s) were left as they are: %w", s.Waiting, context.Cause(ctx)))
	}
	if s.Failed > 0 {
		err = errors.Join(err, fmt.Errorf("compressing, or the command of -z, failed for %d file(s), which are kept: see the log", s.Failed))
	}
	return err
}

// run works on one file after the other.
func (f *Finisher) run() {
	defer close(f.done)
	f.stepBack()
	for {
		f.mu.Lock()
		closed, name := f.closed, ""
		if len(f.queue) > 0 {
			name = f.queue[0]
			f.queue = f.queue[1:]
		}
		f.mu.Unlock()
		switch {
		case name != "" && f.ctx.Err() == nil:
			f.work(name)
		case closed:
			return
		default:
			<-f.wake
		}
	}
}

// stepBack gives the goroutine a thread of its own at the lowest priority, which what
// it starts inherits. The thread ends with the goroutine, for it is never unlocked.
func (f *Finisher) stepBack() {
	runtime.LockOSThread()
	if err := priority.LowerThread(); err != nil {
		f.cfg.Log.Debug("finished files are worked on at the capture's own priority", "because", err)
	}
}

// work does all that is wanted of a file.
func (f *Finisher) work(name string) {
	path := filepath.Join(f.cfg.Dir, name)
	gone, err := false, error(nil)
	if f.cfg.Compress != None {
		var compressed string
		compressed, err = f.compress(name)
		if gone = errors.Is(err, errGone); gone {
			err = nil
		}
		if err == nil && !gone {
			path = filepath.Join(f.cfg.Dir, compressed)
		}
	}
	if f.cfg.Compress == None {
		_, lookErr := f.root.Lstat(name)
		gone = errors.Is(lookErr, fs.ErrNotExist)
	}
	// A file that can't be compressed is finished nevertheless.
	if f.cfg.Run != nil && !gone && f.ctx.Err() == nil {
		err = errors.Join(err, f.cfg.Run(f.ctx, path))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err != nil && f.ctx.Err() != nil: // it was given up: it counts as waiting
		return
	case err != nil:
		f.stats.Failed++
		f.cfg.Log.Error("a finished file is kept as it is", "file", path, "error", err)
	case !gone:
		f.stats.Done++
		f.cfg.Log.Debug("worked on a finished file", "file", path)
	}
	f.stats.Waiting--
}
