package rotate

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A BufferBound is what the bound of the write buffer follows from.
type BufferBound string

// What bounds the write buffer.
const (
	// ByDefault is DefaultWriteBuffer.
	ByDefault BufferBound = "default"
	// ByFlag is Config.WriteBuffer.
	ByFlag BufferBound = "flag"
	// ByMemory is the machine's memory.
	ByMemory BufferBound = "memory"
	// ByCgroup is what the control group of the process, or one above it, may have.
	ByCgroup BufferBound = "cgroup"
)

// memory is what there is: the machine's, and the limits of the process's control group and of
// those above it, as far as they can be seen. They stay open, since they may change, and a
// confined process opens no file.
type memory struct {
	total  int64 // bytes
	limits []*os.File
}

// self is where proc(5) tells of the process that asks.
const self = "/proc/self"

// openMemory finds the limits by a directory such as /proc/self.
func openMemory(self string) *memory {
	m := &memory{total: totalMemory()}
	for _, path := range limitFiles(self) {
		if f, err := os.Open(path); err == nil { // a group at the top has none
			m.limits = append(m.limits, f)
		}
	}
	return m
}

func (m *memory) close() error {
	var err error
	for _, f := range m.limits {
		err = errors.Join(err, f.Close())
	}
	return err
}

// totalMemory is the machine's memory in bytes.
func totalMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 16 * DefaultWriteBuffer
	}
	return int64(info.Totalram) * int64(info.Unit)
}

// limitFiles are where limits of memory may be read: of the process's group, and of those above
// it in the same mount, in version 1 or 2 of cgroups(7).
func limitFiles(self string) (paths []string) {
	groups, err := os.ReadFile(filepath.Join(self, "cgroup"))
	if err != nil {
		return nil
	}
	mounts, err := os.ReadFile(filepath.Join(self, "mountinfo"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(groups)) { // number:controllers:path
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		kind, names := "", []string(nil)
		switch {
		case fields[0] == "0":
			kind, names = "cgroup2", []string{"memory.max", "memory.high"}
		case slices.Contains(strings.Split(fields[1], ","), "memory"):
			kind, names = "cgroup", []string{"memory.limit_in_bytes"}
		default:
			continue
		}
		top, group := groupMount(string(mounts), kind, fields[2])
		if top == "" {
			continue
		}
		for {
			for _, name := range names {
				paths = append(paths, filepath.Join(top, group, name))
			}
			if group == "/" {
				break
			}
			group = filepath.Dir(group)
		}
	}
	return paths
}

// groupMount is where the hierarchy of a group is mounted, and the group's path in there: of
// version 1 the one that has memory. "" where it isn't.
func groupMount(mountinfo, kind, group string) (top, path string) {
	for line := range strings.Lines(mountinfo) { // proc_pid_mountinfo(5)
		before, after, _ := strings.Cut(line, " - ")
		mount, super := strings.Fields(before), strings.Fields(after)
		const root, point, options = 3, 4, 2
		if len(mount) <= point || len(super) <= options || super[0] != kind {
			continue
		}
		if kind == "cgroup" && !slices.Contains(strings.Split(super[options], ","), "memory") {
			continue
		}
		// A container may see its own group alone, mounted as if it were the top.
		path, err := filepath.Rel(mount[root], group)
		if err != nil || path == ".." || strings.HasPrefix(path, "../") {
			path = "/"
		}
		return mount[point], filepath.Join("/", path)
	}
	return "", ""
}

// limit is how many bytes there are for the process, and whether the machine's memory says so
// or a control group.
func (m *memory) limit() (bytes int64, by BufferBound) {
	bytes, by = m.total, ByMemory
	for _, f := range m.limits {
		b, err := io.ReadAll(io.NewSectionReader(f, 0, 64))
		if err != nil {
			continue // the group is gone
		}
		// "max" is no number, and no limit.
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n < bytes {
			bytes, by = n, ByCgroup
		}
	}
	return bytes, by
}

// What of the memory there is may be used, if not otherwise asked for and at most.
const (
	usualShare = 16
	mostShare  = 2
)

// buffer is the bound of the write buffer, given what Config.WriteBuffer asks for.
func (m *memory) buffer(asked int64) (bytes int64, by BufferBound) {
	has, by := m.limit()
	switch {
	case asked > has/mostShare:
		return has / mostShare, by
	case asked > 0:
		return asked, ByFlag
	case DefaultWriteBuffer <= has/usualShare:
		return DefaultWriteBuffer, ByDefault
	}
	return has / usualShare, by
}

// backlog is how many bytes the page cache may hold of the files, so that a burst isn't
// held up by what can wait until it is over: a sixteenth of the memory, 1 GiB at most.
func (m *memory) backlog() int64 {
	has, _ := m.limit()
	return min(has/usualShare, 1<<30)
}

// pool returns a pool of as many buffers as there is memory for, given what Config.WriteBuffer
// asks for.
func (m *memory) pool(asked int64) (*pool, error) {
	most, _ := (&memory{total: m.total}).buffer(asked)
	return newPool(most, func() (int64, BufferBound) { return m.buffer(asked) })
}

// remember asks how much memory there is, and tells when that has changed.
func (b *back) remember() {
	bytes, by := b.pool.look()
	b.maxBacklog.Store(b.memory.backlog())
	b.pace.limit = int64(float64(bytes) / holdUp.Seconds())
	if b.bufferSaid != 0 && b.bufferSaid != bytes {
		b.cfg.Log.Info("the bound of the write buffer has changed with the memory that there is", "bound", Size(bytes), "of", by)
	}
	b.bufferSaid = bytes
}

// sayLowered tells that less memory may be used than was asked for.
func (b *back) sayLowered() {
	if _, by := b.memory.buffer(b.cfg.WriteBuffer); b.cfg.WriteBuffer > 0 && by != ByFlag {
		b.cfg.Log.Warn("the write buffer is bounded by half of the memory that there is", "asked", Size(b.cfg.WriteBuffer), "bound", Size(b.bufferSaid), "of", by)
	}
}
