package record

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"netcap/capture"
	"netcap/capture/filter"
	"netcap/internal/ledger"
	"netcap/internal/links"
	"netcap/pcapfile"
	"netcap/rotate"
)

// Config says what to record, and where.
type Config struct {
	// Interfaces are names, capture.Any among them perhaps, or what Resolve knows.
	Interfaces []string
	// Resolve returns the interface that a name of Interfaces means now. It is asked
	// again whenever that has gone; an error that is capture.ErrNoInterface says that
	// it may come. Default: the name itself.
	Resolve func(name string) (string, error)
	// Capture holds for each of them; its Interface and Filter are ignored.
	Capture capture.Config
	// Threads is how many rings each of them has, each emptied by a goroutine of its own.
	// 0: as many as its speed asks for.
	Threads int
	// Filter is an expression of pcap-filter(7), compiled for each interface, and
	// empty where all packets are wanted.
	Filter string
	// Format of the files.
	Format pcapfile.Format
	// Files says where they go. Its functions and its log are set here.
	Files rotate.Config
	// Count ends the recording after so many packets. 0: none.
	Count int64
	// Application names the program in each file, and Comment is put there.
	Application string
	Comment     string
	// Began is told the path of each file that was made, before anything is in it. It
	// must not wait.
	Began func(path string)
	// Finished is told the path of each file that is on the disk and won't change any
	// more. It must not wait.
	Finished func(path string)
	// Log is told what happens. Default: nothing is logged.
	Log *slog.Logger
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Clocks are CLOCK_BOOTTIME and CLOCK_MONOTONIC, which tell of sleep and of a
	// clock that was set. Default: the system's.
	Clocks func() (boot, monotonic time.Duration)
	// Open opens an interface, with so many rings. Default: capture.OpenGroup.
	Open func(c *capture.Config, threads int) ([]Source, error)
}

// Device is the interface that one of Interfaces means now; errors are those of Resolve.
func (c *Config) Device(name string) (string, error) {
	if c.Resolve == nil {
		return name, nil
	}
	return c.Resolve(name)
}

// Source is where packets come from: a *capture.Handle, or a test's.
type Source interface {
	Link() (capture.Link, error)
	Mode() (mode string, reason error)
	Next() (*capture.Batch, error)
	Stop() error
	Stats() (capture.Stats, error)
	InterfaceDrops() (uint64, error)
	Close() error
}

// Recorder records packets until it is stopped.
type Recorder struct {
	cfg     Config
	log     *slog.Logger
	files   *rotate.Writer
	sources []*source
	begun   time.Time
	// late is how long after its time a file ends if no packet ends it: by then
	// the packets of its time have come out of the ring.
	late time.Duration

	mu       sync.Mutex // held while a batch is encoded; of what follows
	enc      encoder
	packet   capture.Packet
	raw      capture.Raw // the packet, for a filter of our own
	diskTold int64       // packets dropped for the disk that a trailer has counted
	ledger   *ledger.Ledger
	told     told
	books    books

	seen       atomic.Int64 // packets taken out of rings
	lastPacket atomic.Int64 // time of the newest, ns since the epoch
	unwritten  atomic.Int64 // before then all that came was dealt with, ns since the epoch

	stopping context.CancelCauseFunc
}

// errCounted is why a Recorder stops after Config.Count packets.
var errCounted = errors.New("the packets asked for are captured")

// New opens the interfaces. Packets are received from then on, into the rings.
// Begin and then Run follow.
func New(cfg *Config) (*Recorder, error) {
	r := &Recorder{cfg: *cfg, log: cfg.Log}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.cfg.Now == nil {
		r.cfg.Now = time.Now
	}
	if r.cfg.Clocks == nil {
		r.cfg.Clocks = systemClocks
	}
	if r.cfg.Open == nil {
		r.cfg.Open = openGroup
	}
	if len(r.cfg.Interfaces) == 0 {
		return nil, errors.New("no interface to capture on")
	}
	r.shareAge()
	r.begun = r.cfg.Now()
	system, machine := hostOS()
	r.enc = encoder{
		format: r.cfg.Format,
		section: pcapfile.Section{
			Hardware: machine, OS: system, Application: r.cfg.Application, Comments: comments(&r.cfg),
		},
		filter: r.cfg.Filter, snapLen: r.cfg.Capture.SnapLen,
		cooked: r.cfg.Format == pcapfile.PCAP && (len(r.cfg.Interfaces) > 1 || r.cfg.Interfaces[0] == capture.Any),
	}
	if r.enc.snapLen == 0 {
		r.enc.snapLen = capture.MaxSnapLen
	}
	for _, name := range r.cfg.Interfaces {
		if err := r.addSource(name); err != nil {
			return nil, errors.Join(err, r.closeSources())
		}
	}
	return r, nil
}

func openGroup(c *capture.Config, threads int) (group []Source, err error) {
	handles, err := capture.OpenGroup(c, threads)
	for _, h := range handles {
		group = append(group, h)
	}
	return group, err
}

// threads is how many rings an interface gets.
func (r *Recorder) threads(device string) int {
	if r.cfg.Threads > 0 {
		return r.cfg.Threads
	}
	return capture.Threads(device)
}

// shareAge divides how old a packet may get before it is handed to the operating system.
// The ring gets most of it: what comes out of the ring because of its age is written at once.
// So a few packets wake the process only once.
func (r *Recorder) shareAge() {
	f := &r.cfg.Files
	if f.Flush == 0 {
		f.Flush = rotate.DefaultFlush
	}
	if f.Sync != 0 {
		f.Flush = min(f.Flush, f.Sync/2)
	}
	if f.Flush > 0 {
		retire := (f.Flush - f.Flush/10).Truncate(time.Millisecond)
		r.cfg.Capture.RetireTimeout = min(max(retire, time.Millisecond), longestRetire)
	}
	r.late = max(r.cfg.Capture.RetireTimeout, capture.DefaultRetireTimeout) + 50*time.Millisecond
}

// longestRetire is how long a packet waits in the ring at most, whatever may be asked for:
// so old is what is said of the capture.
const longestRetire = time.Second

// comments are what each pcapng file says of the recording.
func comments(c *Config) (out []string) {
	if host, err := os.Hostname(); err == nil {
		out = append(out, "captured on "+host)
	}
	if c.Filter != "" {
		out = append(out, "filter: "+c.Filter)
	}
	if c.Comment != "" {
		out = append(out, c.Comment)
	}
	return out
}

func (r *Recorder) addSource(name string) error {
	for _, s := range r.sources {
		if s.name == name {
			return fmt.Errorf("interface %q is named twice", name)
		}
	}
	s := &source{name: name, r: r, programs: make(map[pcapfile.LinkType]*filter.Program)}
	err := s.open()
	if errors.Is(err, capture.ErrNoInterface) {
		err = s.expect(err)
	}
	if err != nil {
		return err
	}
	r.sources = append(r.sources, s)
	return nil
}

// Begin opens the first file. Nothing of it is left behind if it fails.
func (r *Recorder) Begin() error {
	rings := 0
	for _, s := range r.sources {
		rings += s.threads
	}
	r.enc.queued = rings > 1
	f := r.cfg.Files
	f.Log, f.Now = r.log, r.cfg.Now
	f.Began, f.Finished, f.Deleted = r.fileBegan, r.fileFinished, r.fileDeleted
	f.Header = func(dst []byte, first bool) []byte { return r.enc.header(dst, first, r.cfg.Now().UnixNano()) }
	f.Trailer = r.trailer
	f.CutTrailer = func(dst []byte) []byte { return r.enc.cutTrailer(dst, r.cfg.Now().UnixNano()) }
	f.Joins = r.cfg.Format == pcapfile.PCAPNG // another section of it
	f.Records = func(p []byte) (int, int) { return pcapfile.Whole(r.cfg.Format, p) }
	var err error
	if r.files, err = rotate.Open(&f); err != nil {
		return err
	}
	r.reserve()
	r.openLedger()
	return nil
}

// reserve keeps room in each file for what ends it.
func (r *Recorder) reserve() { r.files.Reserve(len(r.enc.devices)*statisticsSize + gapsSize) }

// trailer ends a file. It runs on the front of the files, with mu held.
func (r *Recorder) trailer(dst []byte) []byte {
	now := r.cfg.Now().UnixNano()
	r.account(r.cfg.Now())
	dropped := r.files.Stats().Dropped
	disk := uint64(dropped - r.diskTold)
	r.diskTold = dropped
	return r.enc.trailer(dst, now, r.gapComments(), func(s *source) loss {
		l := loss{kernel: s.newDrops(), disk: disk, device: s.newMissed(), rejected: s.newRejected()}
		disk = 0 // it isn't known whose they were: the first interface has them
		return l
	})
}

// Run takes packets until ctx is done, the packets asked for are there, or
// nothing can be written any more. Then it takes what the rings still hold, and
// ends the files. The error is nil where all of that went well.
func (r *Recorder) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	r.stopping = cancel
	defer cancel(nil)

	errs := make(chan error, len(r.sources))
	for _, s := range r.sources {
		go func() {
			err := s.run(ctx)
			if err != nil {
				cancel(err)
			}
			errs <- err
		}()
	}
	clock := make(chan error, 1)
	clockCtx, stopClock := context.WithCancel(context.Background())
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		if err := links.Watch(clockCtx, r.renamed); err != nil {
			r.log.Warn("interfaces that are renamed keep their old names in the files", "error", err)
		}
	}()
	go func() {
		err := r.clock(clockCtx)
		if err != nil {
			cancel(err)
		}
		clock <- err
	}()

	var err error
	for range r.sources {
		if e := <-errs; !errors.Is(e, errCounted) {
			err = errors.Join(err, e)
		}
	}
	stopClock()
	<-watching
	if e := <-clock; e != nil && !errors.Is(err, e) {
		err = errors.Join(err, e)
	}
	return errors.Join(err, r.closeFiles(err))
}

// closeFiles ends the files once nothing more comes, and checks the sums.
// before is what went wrong before.
func (r *Recorder) closeFiles(before error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.files.Close()
	r.account(r.cfg.Now()) // what the disk refused of the last buffers
	err = errors.Join(err, r.ledger.Close())
	if before != nil && errors.Is(err, before) {
		err = nil
	}
	f := r.files.Stats()
	if seen := r.seen.Load(); seen != f.Written+f.Dropped {
		err = errors.Join(err, fmt.Errorf("the counts don't add up: %d packets were taken, %d written, %d dropped; please report this", seen, f.Written, f.Dropped))
	}
	return err
}

// Close closes the interfaces, and the files if Run did not.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	if r.files != nil {
		err = r.files.Close()
	}
	if r.ledger != nil {
		err = errors.Join(err, r.ledger.Close())
	}
	return errors.Join(err, r.closeSources())
}

func (r *Recorder) closeSources() error {
	var err error
	for _, s := range r.sources {
		err = errors.Join(err, s.close())
	}
	return err
}

// clock ends files when their time has come, with or without packets, and
// takes up writing when there is room again.
func (r *Recorder) clock(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-r.files.Attention():
		}
		next, err := r.tick()
		if err != nil {
			return err
		}
		timer.Reset(next)
	}
}

// often is how often the time is looked at: timers stand still while the
// machine sleeps.
const often = time.Minute

// tick ends the current file if its time has come, and returns when to look
// again.
func (r *Recorder) tick() (time.Duration, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.account(r.cfg.Now())
	r.checkClocks()
	if _, err := r.files.Ready(); err != nil {
		return 0, err
	}
	if r.files.Due() == 0 {
		if err := r.files.Rotate(0); err != nil {
			return 0, err
		}
	}
	return min(r.files.Due(), often) + r.late, nil
}

// Rotate ends the current file and begins another. It returns the path of the
// finished file once that is on the disk, or the error of ctx.
func (r *Recorder) Rotate(ctx context.Context) (finished string, err error) {
	if r.cfg.Files.Name == "" {
		return "", errors.New("one file is written, not a set: there is nothing to rotate")
	}
	ending, err := r.rotate()
	if err != nil {
		return "", err
	}
	select {
	case <-ending.Done():
		if err := ending.Err(); err != nil {
			return "", fmt.Errorf("the next file can't be begun, and the capture goes on in the one before: %w", err)
		}
		return ending.Path(), nil
	case <-ctx.Done():
		return "", fmt.Errorf("the next file is begun, but the one before it is not on the disk yet: %w", context.Cause(ctx))
	}
}

// rotate ends the current file, which nobody else ends then.
func (r *Recorder) rotate() (rotate.Ending, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ok, err := r.files.Ready()
	if err != nil {
		return rotate.Ending{}, err
	}
	if !ok {
		return rotate.Ending{}, errors.New("nothing is written for want of room on the disk: there is no file to end")
	}
	ending := r.files.Ending()
	return ending, r.files.Rotate(0)
}

// take encodes a batch of a source.
func (r *Recorder) take(s *source, ring int, batch *capture.Batch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counted() {
		return errCounted
	}
	room, err := r.files.Ready()
	if err != nil {
		return errors.Join(err, r.discard(s, batch))
	}
	if !room {
		return r.discard(s, batch)
	}
	r.enc.queue = uint32(ring)
	var n, oldest int64
	if own := s.own.Load(); own != nil {
		n, oldest, err = r.encodeAccepted(s, own, batch)
	} else {
		n, oldest, err = r.encode(s, batch)
	}
	r.seen.Add(n)
	now := r.accountNow()
	if batch.TimedOut() {
		// It was old enough to leave the ring, and nothing will come soon that
		// could be written with it.
		r.files.Flush()
	} else {
		r.files.Publish(max(0, time.Duration(now.UnixNano()-oldest)))
	}
	if n > 0 {
		r.lastPacket.Store(r.packet.Time)
	}
	switch {
	case err != nil:
		return err
	case r.counted():
		return errCounted
	}
	return batch.Err()
}

// encode encodes the packets of a batch, or as many as are asked for, and returns how many,
// and the time of the first, in nanoseconds since the epoch. Nothing in its loop waits for memory: an atomic add a packet
// would, until the bytes of the packet before have left the store buffer.
func (r *Recorder) encode(s *source, batch *capture.Batch) (n, oldest int64, err error) {
	most := int64(math.MaxInt64)
	if r.cfg.Count > 0 {
		most = r.cfg.Count - r.seen.Load()
	}
	for ; n < most && batch.Next(&r.packet); n++ {
		if n == 0 {
			oldest = r.packet.Time
		}
		if err := r.add(s, &r.packet); err != nil {
			return n, oldest, err
		}
	}
	return n, oldest, nil
}

// encodeAccepted is encode for packets of which a filter of our own takes some. Where it
// takes none the time is now: nothing waits.
func (r *Recorder) encodeAccepted(s *source, own *ownFilter, batch *capture.Batch) (n, oldest int64, err error) {
	oldest = r.cfg.Now().UnixNano()
	newest, rejected := int64(0), int64(0)
	for !r.enough(n) {
		wanted := batch.Peek(&r.raw) && own.accepts(&r.raw)
		if !batch.Next(&r.packet) {
			break
		}
		if !wanted {
			rejected++
			continue
		}
		if n == 0 {
			oldest = r.packet.Time
		}
		newest = r.packet.Time
		if err = r.add(s, &r.packet); err != nil {
			break
		}
		n++
	}
	r.packet.Time = newest
	s.rejected.Add(rejected)
	return n, oldest, err
}

// enough reports whether n more packets are all that are asked for.
func (r *Recorder) enough(n int64) bool { return r.cfg.Count > 0 && r.seen.Load()+n >= r.cfg.Count }

// counted reports whether the packets asked for are there.
func (r *Recorder) counted() bool { return r.cfg.Count > 0 && r.seen.Load() >= r.cfg.Count }

// add encodes a packet.
func (r *Recorder) add(s *source, p *capture.Packet) error {
	d := r.enc.device(s, p.Interface, p.HardwareType)
	flags := flagsOf(p.Type)
	data, length := r.enc.frame(d, p)
	size := r.enc.size(data, flags)
	if d.id == absent {
		size += descriptionSize
	}
	if !r.files.Fits(size, p.Time) {
		if err := r.files.Rotate(p.Time); err != nil {
			return err
		}
	}
	if d.id == absent && r.enc.format == pcapfile.PCAPNG {
		r.files.Commit(r.enc.describe(r.files.Tail(), d), 0)
		r.reserve()
	}
	r.files.Commit(r.enc.packet(r.files.Tail(), d, p.Time, data, length, flags), 1)
	return nil
}

// discard counts a batch for which there is no room on the disk.
func (r *Recorder) discard(s *source, batch *capture.Batch) error {
	n := int64(batch.Len())
	if own := s.own.Load(); own != nil {
		n = r.countAccepted(s, own, batch)
	}
	if r.cfg.Count > 0 {
		n = min(n, r.cfg.Count-r.seen.Load())
	}
	r.files.Discard(int(n))
	r.seen.Add(n)
	r.accountNow()
	if r.counted() {
		return errCounted
	}
	return nil
}

// countAccepted is how many packets of a batch a filter of our own takes.
func (r *Recorder) countAccepted(s *source, own *ownFilter, batch *capture.Batch) (n int64) {
	for batch.Len() > 0 {
		wanted := batch.Peek(&r.raw) && own.accepts(&r.raw)
		if !batch.Next(&r.packet) {
			break
		}
		if wanted {
			n++
		} else {
			s.rejected.Add(1)
		}
	}
	return n
}
