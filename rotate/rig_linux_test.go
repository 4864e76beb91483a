package rotate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The records of these tests: length of the whole (4 bytes), kind (1), number
// (8), and a pattern that follows from the number.
const recordHead = 13

const (
	kindHeader  = 'H' // the first of a file
	kindAgain   = 'h' // after a gap in one file
	kindPacket  = 'P'
	kindOther   = 'O' // a record that is no packet
	kindTrailer = 'T'
	kindCut     = 'C' // a trailer after records were cut off
	headerSize  = 40
	trailerSize = 30
)

func appendRecord(dst []byte, kind byte, number uint64, size int) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(size))
	dst = append(dst, kind)
	dst = binary.LittleEndian.AppendUint64(dst, number)
	for i := recordHead; i < size; i++ {
		dst = append(dst, byte(number)+byte(i))
	}
	return dst
}

type record struct {
	kind   byte
	number uint64
	size   int
}

// parse takes records apart, up to the first that isn't whole.
func parse(p []byte) (records []record, rest int) {
	for len(p) >= recordHead {
		size := int(binary.LittleEndian.Uint32(p))
		if size < recordHead || size > len(p) {
			break
		}
		r := record{p[4], binary.LittleEndian.Uint64(p[5:]), size}
		if !bytes.Equal(p[:size], appendRecord(nil, r.kind, r.number, size)) {
			break
		}
		records = append(records, r)
		p = p[size:]
	}
	return records, len(p)
}

// lengths is Config.Records: it trusts the lengths, as it has to be fast.
func lengths(p []byte) (n, packets int) {
	for len(p)-n >= recordHead {
		size := int(binary.LittleEndian.Uint32(p[n:]))
		if size < recordHead || size > len(p)-n {
			break
		}
		if p[n+4] == kindPacket {
			packets++
		}
		n += size
	}
	return n, packets
}

// clock is a wall clock and a boot clock that tests set.
type clock struct {
	mu   sync.Mutex
	wall time.Time
	up   time.Duration
}

func newClock() *clock {
	return &clock{wall: time.Date(2026, 11, 23, 13, 0, 5, 0, time.UTC), up: 1000 * time.Hour}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *clock) boot() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.up
}

// pass lets time pass, step sets the wall clock.
func (c *clock) pass(d time.Duration) { c.step(d, d) }

func (c *clock) step(wall, up time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.up = c.wall.Add(wall), c.up+up
}

// rig is a Writer under test and what was put into it.
type rig struct {
	t         testing.TB
	cfg       *Config
	w         *Writer
	next      uint64 // number of the next packet
	discarded int64
}

func quietly(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// config is of a set in dir that has no bound but a budget of 100 MB.
func config(t testing.TB, dir string) *Config {
	return &Config{
		Dir: dir, Name: "docker0", Ext: ".rec",
		SegmentSize: Amount{Bytes: 1 << 20}, Budget: Amount{Bytes: 100e6}, KeepFree: Amount{Bytes: 1},
		SegmentDuration: 24 * 365 * time.Hour,
		Flush:           10 * time.Millisecond, Sync: 100 * time.Millisecond,
		Log: quietly(t),
		Header: func(dst []byte, first bool) []byte {
			if first {
				return appendRecord(dst, kindHeader, 0, headerSize)
			}
			return appendRecord(dst, kindAgain, 0, headerSize)
		},
		Trailer:    func(dst []byte) []byte { return appendRecord(dst, kindTrailer, 0, trailerSize) },
		CutTrailer: func(dst []byte) []byte { return appendRecord(dst, kindCut, 0, trailerSize) },
		Records:    lengths,
	}
}

// single is of one file in dir.
func single(t testing.TB, dir string) *Config {
	c := config(t, dir)
	c.Name, c.Ext, c.File = "", "", "out.rec"
	c.SegmentSize, c.Budget = Amount{}, Amount{}
	return c
}

// newRig opens a Writer. When the test ends it is closed, if it isn't yet, and
// what it took of descriptors and goroutines must be given back.
func newRig(t testing.TB, cfg *Config, m machine) *rig {
	t.Helper()
	noLeaks(t)
	w, err := open(cfg, m)
	require.NoError(t, err)
	w.Reserve(trailerSize)
	t.Cleanup(func() {
		if !w.closed {
			_ = w.Close()
		}
		assert.Zero(t, w.Stats().Buffers, "buffers given back")
	})
	return &rig{t: t, cfg: cfg, w: w}
}

// add appends a packet of a size, in the next file if need be.
func (r *rig) add(size int) { r.addAt(size, 0) }

func (r *rig) addAt(size int, ns int64) {
	r.t.Helper()
	if !r.w.Fits(size, ns) {
		require.NoError(r.t, r.w.Rotate(ns))
	}
	r.w.Commit(appendRecord(r.w.Tail(), kindPacket, r.next, size), 1)
	r.next++
}

// discard passes on that a packet had to be dropped.
func (r *rig) discard() {
	r.w.Discard(1)
	r.next++
	r.discarded++
}

// batch appends n packets as a capture does: drops them where there is no room.
func (r *rig) batch(n, size int) {
	r.t.Helper()
	ok, err := r.w.Ready()
	require.NoError(r.t, err)
	for range n {
		if ok {
			r.add(size)
		} else {
			r.discard()
		}
	}
	if ok {
		r.w.Publish(0)
	}
}

// idle waits until the back has done all it was asked for.
func (r *rig) idle() {
	r.t.Helper()
	r.w.Publish(0)
	r.eventually(func() bool { return len(r.w.back.ops) == 0 }, "all ops taken")
	// Once the back has taken one of these it is done with the last op.
	for range cap(r.w.back.now) + 1 {
		r.eventually(func() bool {
			select {
			case r.w.back.now <- struct{}{}:
				return true
			default:
				return false
			}
		}, "all ops done")
	}
	r.eventually(func() bool {
		s := r.w.Stats()
		return s.Written+s.Dropped == int64(r.next) || r.w.seg.dead.Load()
	}, "all written")
}

// goesOn appends packets until one is written.
func (r *rig) goesOn() {
	r.t.Helper()
	before := r.w.Stats().Written
	r.eventually(func() bool { r.batch(1, 1000); return r.w.Stats().Written > before }, "goes on")
}

// changes waits until another file is written than that one.
func (r *rig) changes(from string) {
	r.t.Helper()
	r.eventually(func() bool {
		_, err := r.w.Ready()
		require.NoError(r.t, err)
		return r.w.Stats().Current != from
	}, "another file is begun")
}

// stopped waits until the back has given the current segment up.
func (r *rig) stopped() {
	r.t.Helper()
	r.eventually(r.w.seg.dead.Load, "the segment is given up")
}

func (r *rig) eventually(f func() bool, what string) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); time.Sleep(time.Millisecond) {
		require.True(r.t, time.Now().Before(end), "never came: %s", what)
	}
}

// sums checks that every packet is accounted for after Close, and on the disk
// if it is said to be.
func (r *rig) sums(files ...string) {
	r.t.Helper()
	s := r.w.Stats()
	assert.Equal(r.t, int64(r.next), s.Written+s.Dropped, "written and dropped are all there were")
	assert.Equal(r.t, s.Written, int64(len(packetsOf(r.t, files...))), "what was written is in the files")
}

// contents reads a file, which must be whole records.
func contents(t testing.TB, path string) []record {
	t.Helper()
	p, err := os.ReadFile(path)
	require.NoError(t, err)
	records, rest := parse(p)
	require.Zero(t, rest, "%s: %d bytes of %d behind the last whole record", path, rest, len(p))
	return records
}

// packetsOf returns the numbers of the packets in files, which must rise.
func packetsOf(t testing.TB, files ...string) []uint64 {
	t.Helper()
	var numbers []uint64
	for _, f := range files {
		for _, r := range contents(t, f) {
			if r.kind == kindPacket {
				numbers = append(numbers, r.number)
			}
		}
	}
	for i := 1; i < len(numbers); i++ {
		require.Less(t, numbers[i-1], numbers[i], "packets in order, each once")
	}
	return numbers
}

// kinds shows what a file consists of, packets in a row as one P.
func kinds(t testing.TB, path string) string {
	t.Helper()
	var b strings.Builder
	var last byte
	for _, r := range contents(t, path) {
		if r.kind != kindPacket || last != kindPacket {
			b.WriteByte(r.kind)
		}
		last = r.kind
	}
	return b.String()
}

// setFiles lists the files of the set docker0 by their numbers.
func setFiles(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var files []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "docker0-") {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	// Until a million files the numbers have as many digits.
	slices.SortFunc(files, func(a, b string) int { return strings.Compare(a[len(a)-10:], b[len(b)-10:]) })
	return files
}

func sizeOf(t testing.TB, files ...string) (n int64) {
	for _, f := range files {
		st, err := os.Stat(f)
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		n += st.Size()
	}
	return n
}

// together are the tests whose subtests run beside one another, so that none of them can say what
// is its own.
var together sync.Map

// noLeaksInAll is noLeaks for all subtests together.
func noLeaksInAll(t *testing.T) {
	t.Helper()
	noLeaks(t)
	together.Store(t.Name(), true)
}

// noLeaks compares descriptors and goroutines now with those when the test
// ends. It must come before what it is to watch.
func noLeaks(t testing.TB) {
	t.Helper()
	if test, _, sub := strings.Cut(t.Name(), "/"); sub {
		if _, ok := together.Load(test); ok {
			return
		}
	}
	fds, routines := descriptors(t), runtime.NumGoroutine()
	t.Cleanup(func() {
		// At once: given time, the garbage collector closes forgotten files.
		now := descriptors(t)
		assert.LessOrEqual(t, len(now), len(fds), "descriptors before %v, now %v", fds, now)
		for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > routines; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				stacks := make([]byte, 1<<16)
				t.Errorf("goroutines that never end:\n%s", stacks[:runtime.Stack(stacks, true)])
				return
			}
		}
	})
}

// descriptors lists what this process has open, but for the runtime's poller.
func descriptors(t testing.TB) (open []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.HasPrefix(target, "anon_inode:") && !strings.HasPrefix(target, "/proc/") {
			open = append(open, e.Name()+" "+target)
		}
	}
	return open
}

// mountTmpfs mounts a tmpfs until the test ends, which must run as root.
func mountTmpfs(t testing.TB, options string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, unix.Mount("netcap-test", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options))
	// Another mount namespace that was made meanwhile may hold what is mounted in it: it goes
	// when that does.
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

// fill takes all of a file system but so many bytes, and returns the file.
func fill(t testing.TB, dir string, but int64) string {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(t, err)
	defer f.Close()
	if n := freeBytes(t, dir) - but; n > 0 {
		st, err := f.Stat()
		require.NoError(t, err)
		require.NoError(t, unix.Fallocate(int(f.Fd()), 0, st.Size(), n))
	}
	return path
}

func freeBytes(t testing.TB, dir string) int64 {
	t.Helper()
	var st unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &st))
	return int64(st.Bavail) * int64(st.Bsize)
}

// faultySink is a sink that fails as it is told.
type faultySink struct {
	sink
	name string
	f    *faults
}

// faults are what sinks do instead of what they should.
type faults struct {
	mu    sync.Mutex
	room  int64 // bytes that can still be written before err; negative: any number
	err   error
	sync  error // of the next sync
	syncs map[string]int
	gate  chan struct{} // if set, writes wait until it is closed
}

func newFaults() *faults { return &faults{room: -1, syncs: make(map[string]int)} }

func (f *faults) machine() machine {
	m := realMachine()
	m.sink = func(of *file, name string) sink { return &faultySink{of, name, f} }
	return m
}

func (f *faults) set(change func(*faults)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (s *faultySink) writeAt(p []byte, off int64, w way) (int, error) {
	s.f.mu.Lock()
	room, err, gate := s.f.room, s.f.err, s.f.gate
	s.f.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if room < 0 {
		return s.sink.writeAt(p, off, w)
	}
	// As a disk does: what is there already takes no room.
	st, statErr := os.Stat(fmt.Sprintf("/proc/self/fd/%d", s.sink.(*file).f.Fd()))
	if statErr != nil {
		return 0, statErr
	}
	n := int64(len(p))
	if grows := off + n - max(st.Size(), off); grows > room {
		n -= grows - room
	}
	n = min(max(n, 0), int64(len(p)))
	wrote, writeErr := 0, error(nil)
	if n > 0 {
		if int(n) < len(p) {
			w = cached
		}
		wrote, writeErr = s.sink.writeAt(p[:n], off, w)
	}
	if writeErr != nil {
		return wrote, writeErr
	}
	s.f.set(func(f *faults) { f.room -= max(0, off+n-max(st.Size(), off)) })
	if int(n) < len(p) {
		return wrote, err
	}
	return wrote, nil
}

func (s *faultySink) sync() error {
	s.f.mu.Lock()
	err := s.f.sync
	s.f.sync = nil
	s.f.syncs[s.name]++
	s.f.mu.Unlock()
	if err != nil {
		return err
	}
	return s.sink.sync()
}

func (s *faultySink) writeBehind(keep int64) error { return s.sink.writeBehind(keep) }

func mincore(mem, vec []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&mem[0])), uintptr(len(mem)), uintptr(unsafe.Pointer(&vec[0])))
	if errno != 0 {
		return errno
	}
	return nil
}
