package rotate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// groups makes files as the kernel shows them: below dir those that are named, and a directory
// that tells of a process, as /proc/self does, in which DIR stands for dir.
func groups(t *testing.T, dir, cgroup, mountinfo string, files map[string]string) (self string) {
	t.Helper()
	self = t.TempDir()
	for path, text := range files {
		path = filepath.Join(dir, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text+"\n"), 0o600))
	}
	for name, text := range map[string]string{"cgroup": cgroup, "mountinfo": mountinfo} {
		require.NoError(t, os.WriteFile(filepath.Join(self, name), []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600))
	}
	return self
}

// TestMemoryLimits reads what machines and containers show of their control groups: the lines
// are those of Debian 12 with systemd, of Docker with either version, and of both at once.
func TestMemoryLimits(t *testing.T) {
	const unified = "29 24 0:26 / DIR rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	const none = 0
	tests := []struct {
		name, cgroup, mountinfo string
		files                   map[string]string
		want                    int64
	}{
		{
			"a unit's limit", "0::/system.slice/netcap.service\n", unified,
			map[string]string{"system.slice/netcap.service/memory.max": "134217728", "system.slice/netcap.service/memory.high": "max", "system.slice/memory.max": "max"},
			128 << 20,
		},
		{
			"where it is throttled", "0::/system.slice/netcap.service\n", unified,
			map[string]string{"system.slice/netcap.service/memory.max": "134217728", "system.slice/netcap.service/memory.high": "100000000"},
			100_000_000,
		},
		{
			"a slice's limit is the least", "0::/a/b/c\n", unified,
			map[string]string{"a/b/c/memory.max": "134217728", "a/b/memory.max": "max", "a/memory.max": "33554432"},
			32 << 20,
		},
		{
			"a container of its own namespace", "0::/\n", unified,
			map[string]string{"memory.max": "268435456"},
			256 << 20,
		},
		{
			"a container that sees the names outside", "0::/../../kubepods/pod1/ctr\n", unified,
			map[string]string{"memory.max": "268435456"},
			256 << 20,
		},
		{
			"version 1, both mounted", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/docker/abc\n",
			"30 29 0:25 / DIR/cpu rw - cgroup cgroup rw,cpu,cpuacct\n35 29 0:30 / DIR/memory rw,relatime shared:16 - cgroup cgroup rw,memory\n31 29 0:27 / DIR/unified rw - cgroup2 cgroup2 rw\n",
			map[string]string{"memory/docker/abc/memory.limit_in_bytes": "134217728", "memory/docker/memory.limit_in_bytes": "9223372036854771712", "memory/memory.limit_in_bytes": "9223372036854771712", "cpu/x/cpu.shares": "1"},
			128 << 20,
		},
		{
			"version 1, in a container", "4:memory:/docker/abc\n",
			"35 29 0:30 /docker/abc DIR/memory ro,relatime master:16 - cgroup cgroup rw,memory\n",
			map[string]string{"memory/memory.limit_in_bytes": "67108864"},
			64 << 20,
		},
		{"no limit", "0::/user.slice\n", unified, map[string]string{"user.slice/memory.max": "max"}, none},
		{"no groups", "", "", nil, none},
		{"what isn't understood", "0\n:::\n0::/a\n", "x - y\n" + unified, map[string]string{"a/memory.max": "-", "memory.max": ""}, none},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := openMemory(groups(t, t.TempDir(), tt.cgroup, tt.mountinfo, tt.files))
			defer m.close()
			m.total = 24 << 30
			bytes, by := m.limit()
			if tt.want == none {
				assert.Equal(t, m.total, bytes)
				assert.Equal(t, ByMemory, by)
				return
			}
			assert.Equal(t, tt.want, bytes)
			assert.Equal(t, ByCgroup, by)
		})
	}
}

// TestWriteBufferBound holds the bound for what is asked, and what there is.
func TestWriteBufferBound(t *testing.T) {
	for _, tt := range []struct {
		asked, total, want int64
		by                 BufferBound
	}{
		{0, 64 << 30, 256 << 20, ByDefault},
		{0, 1 << 30, 64 << 20, ByMemory},
		{0, 512 << 20, 32 << 20, ByMemory},
		{100 << 20, 1 << 30, 100 << 20, ByFlag},
		{512 << 20, 1 << 30, 512 << 20, ByFlag},
		{513 << 20, 1 << 30, 512 << 20, ByMemory},
	} {
		bytes, by := (&memory{total: tt.total}).buffer(tt.asked)
		assert.Equal(t, tt.want, bytes, tt)
		assert.Equal(t, tt.by, by, tt)
	}
}

// TestMemoryChanges has a limit change while a Writer is open: the files are followed, also
// once their names lead nowhere, and buffers beyond the bound are given back.
func TestMemoryChanges(t *testing.T) {
	dir := t.TempDir()
	limit := filepath.Join(dir, "memory.max")
	m := openMemory(groups(t, dir, "0::/\n", "29 24 0:26 / DIR rw - cgroup2 cgroup2 rw\n", map[string]string{"memory.max": "134217728"}))
	m.total = 1 << 30
	f, err := os.OpenFile(limit, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, os.Remove(limit))

	p, err := m.pool(0)
	require.NoError(t, err)
	var s Stats
	p.use(&s)
	assert.EqualValues(t, 8<<20, s.BufferBound)
	set := func(text string) {
		_, err := f.WriteAt(fmt.Appendf(nil, "%-12s\n", text), 0) // at once
		require.NoError(t, err)
	}
	set("max")
	bytes, by := p.look()
	assert.EqualValues(t, 64<<20, bytes)
	assert.Equal(t, ByMemory, by)

	var out []*buffer
	for range 32 { // all that there may be
		p.ahead()
		b, _ := p.get()
		out = append(out, b)
	}
	set("134217728")
	bytes, by = p.look()
	assert.EqualValues(t, 8<<20, bytes)
	assert.Equal(t, ByCgroup, by)
	for _, b := range out {
		p.put(b)
	}
	p.mu.Lock()
	assert.Equal(t, 4, p.mapped)
	p.mu.Unlock()
	require.NoError(t, p.close())
	require.NoError(t, m.close())
}
