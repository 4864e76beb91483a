package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/testenv"
	"netcap/rotate"
)

// fifreeze and fithaw are FIFREEZE and FITHAW of ioctl_fifreeze in linux/fs.h.
const (
	fifreeze = 0xc0045877
	fithaw   = 0xc0045878
)

// stall has everything that writes to a file system wait, for a time, and calls meanwhile.
func stall(t *testing.T, dir string, d time.Duration, meanwhile func()) {
	t.Helper()
	f, err := os.Open(dir)
	require.NoError(t, err)
	defer f.Close()
	end := time.After(d)
	require.NoError(t, unix.IoctlSetInt(int(f.Fd()), fifreeze, 0))
	defer func() { require.NoError(t, unix.IoctlSetInt(int(f.Fd()), fithaw, 0)) }()
	meanwhile()
	<-end
}

// TestMemoryGroup has a capture that is left 128 MB in all, the ring aside, meet a disk that
// stalls: nobody is killed, and what is lost is counted. Once it is the file system that stalls, so
// that writes wait at once, and once the disk below, so that the page cache takes what it can.
func TestMemoryGroup(t *testing.T) {
	const group = 128 << 20
	stalled := 14 * time.Second
	if testing.Short() {
		stalled = 4 * time.Second
	}
	for _, below := range []bool{false, true} {
		t.Run(fmt.Sprintf("below=%v", below), func(t *testing.T) {
			t.Parallel()
			h := newOperated(t)
			g := testenv.NewMemoryGroup(t, 2*group)
			outer := newDisk(t, filepath.Join(h.dir, "outer"), 600<<20, "defaults")
			d, freeze := outer, outer.dir
			if below {
				d = newDisk(t, filepath.Join(outer.dir, "inner"), 500<<20, "defaults")
			}
			cmd := h.command("-i", "c0", "--dir", d.dir+"/set", "--keep-free", "1", "--disk-budget", "400MB", "-C", "64", "-B", "4096",
				"--compress", "zstd", "--dicom-journal", filepath.Join(h.dir, "journal"), "udp")
			p := h.start(g.Enclose(t, cmd))
			p.says(isCapturing)
			s := h.statusOf("c0")
			assert.EqualValues(t, 2*group/16, s.WriteBuffer)
			assert.Equal(t, rotate.ByCgroup, s.WriteBufferOf)
			g.Bound(t, group)

			sent := h.peer.Flood(t, "g0", 1514, 40_000)
			stall(t, freeze, stalled, func() { sent += h.peer.Flood(t, "g0", 1514, 80_000) })
			assert.Contains(t, h.does("status", "c0"), "c0 has up to 8.4 MB of memory for a slow disk (what the control group's limit allows)\n")
			sent += h.peer.Flood(t, "g0", 1514, 1000)
			captured, received, kernel := summary(t, p.stop())
			assert.Equal(t, sent, received)
			t.Logf("%d sent, %d captured, %d dropped by the kernel; %d MB at most", sent, captured, kernel, g.Most(t)>>20)
			assert.Zero(t, g.Killed(t))
			if !below {
				assert.Positive(t, kernel, "nothing has room for all of that")
			}
			packets := 0
			for _, f := range filepathGlob(t, d.dir+"/set/*.pcapng*") {
				packets += netcapLines(t, f)
			}
			assert.Equal(t, captured, packets)
		})
	}
}

// TestCheckMemoryGroup has the bound and where it is from said before a capture begins, and
// when it begins.
func TestCheckMemoryGroup(t *testing.T) {
	h := newHost(t)
	g := testenv.NewMemoryGroup(t, 128<<20)
	says := func(args ...string) string {
		p := h.start(g.Enclose(t, h.command(append([]string{"check", "-i", "c0"}, args...)...)))
		p.wait()
		return p.stdout.String()
	}
	assert.Contains(t, says(), "memory: 50 MB are taken at most, 8.4 MB of it for the write buffer (a sixteenth of the 134 MB that the control group may have)\n")
	assert.Contains(t, says("--write-buffer", "1GiB"), "of it for the write buffer (half of the 134 MB that the control group may have)\n         → lower --write-buffer, ")
	g.Bound(t, 24<<20)
	assert.Contains(t, says(), ", and the control group has 25 MB\n")
	g.Bound(t, 128<<20)
	p := h.start(g.Enclose(t, h.command("-i", "c0", "--write-buffer", "1GiB", "udp")))
	p.says(isCapturing)
	assert.Contains(t, p.stderr.String(), `msg="the write buffer is bounded by half of the memory that there is" asked="1.1 GB" bound="67 MB" of=cgroup`)
	p.stop()
}
