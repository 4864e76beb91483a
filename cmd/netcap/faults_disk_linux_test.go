package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/ledger"
	"netcap/internal/testenv"
)

// sendUntil sends numbered frames of different lengths to c0, some 10,000 a second, until
// stop is closed.
func (h *host) sendUntil(stop <-chan struct{}) {
	for seq := uint32(0); ; {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
		}
		batch := make([][]byte, 10)
		for i := range batch {
			batch[i] = testenv.UDPFrame(seq, 60+int(seq)%1000)
			seq++
		}
		h.peer.Send(h.t, "g0", batch...)
	}
}

// disk is an ext4 in a sparse file, mounted by a loop device.
type disk struct {
	t          *testing.T
	image, dir string
}

// newDisk makes a disk that is there until the test ends, with more options of mke2fs(8).
func newDisk(t *testing.T, image string, size int64, options string, more ...string) *disk {
	t.Helper()
	f, err := os.Create(image)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(size))
	require.NoError(t, f.Close())
	run1(t, "mkfs.ext4", append(more, "-q", "-F", "-m", "0", "-b", "4096", "-E", "nodiscard", image)...)
	d, err := mountDisk(t, image, options)
	require.NoError(t, err)
	return d
}

// mountDisk mounts an image, with what the journal of its file system says.
func mountDisk(t *testing.T, image, options string) (*disk, error) {
	t.Helper()
	d := &disk{t, image, t.TempDir()}
	if out, err := exec.Command(testenv.Program(t, "mount"), "-o", "loop,"+options, image, d.dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	t.Cleanup(func() {
		// The kernel lets go of a loop device within, and of its file, a moment after it is unmounted.
		assert.Eventually(t, func() bool { return unix.Unmount(d.dir, 0) == nil }, patience, 10*time.Millisecond)
	})
	return d, nil
}

// device is the loop device's name.
func (d *disk) device() string {
	d.t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(d.t, err)
	for line := range strings.Lines(string(b)) { // proc_pid_mountinfo(5)
		if fields := strings.Fields(line); fields[4] == d.dir {
			return filepath.Base(fields[len(fields)-2])
		}
	}
	require.Fail(d.t, "it isn't mounted", d.dir)
	return ""
}

// A file on a disk of 64 KiB that fills: whole records only, what is missing is counted,
// and it goes on once there is room.
func TestTinyDisk(t *testing.T) {
	h := newOperated(t)
	small := tmpfs(t, "size=64k")
	path := small + "/x.pcapng"
	filler := small + "/filler"
	require.NoError(t, os.WriteFile(filler, make([]byte, 20<<10), 0o600))
	p := h.capture("-i", "c0", "-w", path, "--name", "x", "--keep-free", "1", "--flush", "20ms", "udp")
	sent := h.peer.Flood(t, "g0", 1000, 100)
	require.Eventually(t, func() bool { return h.statusOf("x").State == statePaused }, patience, 10*time.Millisecond)
	sent += h.peer.Flood(t, "g0", 1000, 100)
	require.Eventually(t, func() bool {
		p := h.statusOf("x").Packets
		return p.Written+p.DroppedDisk == int64(sent)
	}, patience, 10*time.Millisecond)
	full := h.statusOf("x").Packets
	frames, whole := framesOf(t, path)
	assert.True(t, whole)
	assert.Len(t, frames, int(full.Written))
	assert.Equal(t, int(full.Written), tcpdumpLines(t, path))

	require.NoError(t, os.Remove(filler))
	require.Eventually(t, func() bool { return h.statusOf("x").State == stateCapturing }, patience, 10*time.Millisecond)
	sent += h.peer.Flood(t, "g0", 1000, 10)
	said := p.stop()
	captured, received, dropped := summary(t, said)
	assert.Equal(t, []int{sent, 0}, []int{received, dropped})
	assert.Contains(t, said, fmt.Sprintf("\n%d packets dropped because they could not be written\n", sent-captured))
	frames, whole = framesOf(t, path)
	assert.True(t, whole)
	assert.Len(t, frames, captured)
	assert.EqualValues(t, 9, frames[len(frames)-1].seq, "it goes on")
}

// A disk that takes data and loses it: the first error of fsync is told, another file is
// begun, the capture lives, and its end isn't a good one. The file system has no journal: that
// would be lost likewise, and the kernel would make it read-only, which TestReadOnlyDisk tries.
func TestLyingDisk(t *testing.T) {
	h := newOperated(t)
	d := newDisk(t, tmpfs(t, "size=24m")+"/image", 200<<20, "errors=continue", "-O", "^has_journal")
	p := h.capture("-i", "c0", "--dir", d.dir+"/set", "--fsync", "200ms", "--flush", "20ms", "-C", "50", "--disk-budget", "150MB", "--keep-free", "1", "-G", "8760h", "udp")
	for sent := 0; !strings.Contains(p.stderr.String(), "this file (fsync failed)"); sent += 1000 {
		require.Less(t, sent, 100_000, p.stderr.String())
		h.peer.Flood(t, "g0", 1514, 1000)
		time.Sleep(20 * time.Millisecond)
	}
	require.Eventually(t, func() bool { return len(filepathGlob(t, d.dir+"/set/*.pcapng")) >= 2 }, patience, 10*time.Millisecond, &p.stderr)
	require.Equal(t, "c0", h.statusOf("c0").Name, "it lives")
	p.signal(syscall.SIGTERM)
	p.wait()
	assert.Equal(t, 1, p.cmd.ProcessState.ExitCode())
	said := p.stderr.String()
	assert.Contains(t, said, "the disk failed, and ")
	for _, f := range filepathGlob(t, d.dir+"/set/*.pcapng") {
		assert.LessOrEqual(t, strings.Count(said, `(fsync failed); a set goes on with another" file=`+f), 1, "never tried again: %s", f)
	}
}

// A file system that the kernel makes read-only under the capture, as it does when it finds
// an error: that is told, packets are counted, the capture lives. Its end isn't a good one.
func TestReadOnlyDisk(t *testing.T) {
	h := newOperated(t)
	d := newDisk(t, filepath.Join(h.dir, "image"), 64<<20, "errors=remount-ro")
	p := h.capture("-i", "c0", "--dir", d.dir+"/set", "--flush", "20ms", "--keep-free", "1", "-G", "8760h", "udp")
	sent := h.peer.Flood(t, "g0", 1000, 1000)
	h.awaitWritten("c0", 1000)
	out, err := exec.Command(testenv.Program(t, "mount"), "-o", "remount,ro", d.dir).CombinedOutput()
	require.Error(t, err, "while a file is open for writing it can't be asked for")
	assert.Contains(t, string(out), "busy")
	require.NoError(t, os.WriteFile("/sys/fs/ext4/"+d.device()+"/trigger_fs_error", []byte("1"), 0))
	sent += h.peer.Flood(t, "g0", 1000, 1000)
	p.says("read-only file system")
	require.Eventually(t, func() bool {
		s := h.statusOf("c0")
		return s.State == statePaused && s.Packets.Written+s.Packets.DroppedDisk == int64(sent)
	}, patience, 10*time.Millisecond)
	sent += h.peer.Flood(t, "g0", 1000, 1000)
	p.signal(syscall.SIGTERM)
	p.wait()
	assert.Equal(t, 1, p.cmd.ProcessState.ExitCode())
	said := p.stderr.String()
	assert.Regexp(t, `(?m)^netcap: .*read-only file system`, said)
	captured, received, dropped := summary(t, said)
	assert.Equal(t, []int{sent, 0}, []int{received, dropped})
	frames, _ := framesOf(t, h.file(d.dir+"/set/*.pcapng"))
	assert.GreaterOrEqual(t, captured, 1000)
	assert.GreaterOrEqual(t, len(frames), 1000)
}

// A power cut is imitated by a copy of the disk, taken while it is written, of which the
// file system's journal is played back. At most --fsync is missing at the end, nothing
// older is touched, and the set goes on.
func TestPowerCut(t *testing.T) {
	const promise = time.Second // --fsync
	h := newOperated(t)
	under := tmpfs(t, "size=300m")
	d := newDisk(t, under+"/image", 100<<20, "defaults")
	set := []string{"-i", "c0", "--name", "cut", "--fsync", "1s", "--flush", "100ms", "-C", "1", "--disk-budget", "60MB", "--keep-free", "1", "-G", "8760h", "-B", "65536", "udp"}
	p := h.capture(append([]string{"--dir", d.dir + "/set"}, set...)...)
	stop, dripped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(dripped)
		h.sendUntil(stop)
	}()
	require.Eventually(t, func() bool { return len(filepathGlob(t, d.dir+"/set/*.pcapng")) > 2 }, patience, 10*time.Millisecond)
	cuts := rounds(5)
	type cut struct {
		image string
		at    time.Time
	}
	var images []cut
	for n := range cuts {
		time.Sleep(500*time.Millisecond + rand.N(time.Second))
		c := cut{fmt.Sprintf("%s/cut%d", h.dir, n), time.Now()}
		copyFile(t, d.image, c.image)
		images = append(images, c)
	}
	close(stop)
	<-dripped
	_, _, dropped := summary(t, p.stop())
	require.Zero(t, dropped)

	late := 0
	for n, c := range images {
		copied, err := mountDisk(t, c.image, "defaults")
		require.NoError(t, err, "cut %d", n)
		files := filepathGlob(t, copied.dir+"/set/*.pcapng")
		require.NotEmpty(t, files)
		var last seen
		var next uint32
		for i, f := range files {
			frames, whole := framesOf(t, f)
			require.Empty(t, inOrder(t, frames), f)
			if len(frames) > 0 {
				assert.Equal(t, next, frames[0].seq, "cut %d: %s goes on where the file before ends", n, f)
				last = frames[len(frames)-1]
				next = last.seq + 1
			}
			if i < len(files)-2 {
				assert.True(t, whole, "cut %d: %s", n, f)
				assert.Equal(t, content(t, d.dir+"/set/"+filepath.Base(f)), content(t, f), "cut %d: %s is as it was", n, f)
			}
		}
		lost := c.at.Sub(last.at)
		t.Logf("cut %d: %d files, %d frames, the last of %v before", n, len(files), next, lost.Round(time.Millisecond))
		if lost > promise {
			late++
		}
		h.knowsCut(copied.dir+"/set", last.at, last.at)
		if n < cuts-1 {
			continue
		}
		old := map[string]string{}
		for _, f := range files[:len(files)-1] {
			old[f] = content(t, f)
		}
		p := h.capture(append([]string{"--dir", copied.dir + "/set"}, set...)...)
		h.peer.Send(t, "g0", testenv.UDPFrame(0, 100))
		p.stop()
		for f, was := range old {
			assert.Equal(t, was, content(t, f), f)
		}
		again := filepathGlob(t, copied.dir+"/set/*.pcapng")
		require.Len(t, again, len(files)+1)
		status, stdout, stderr := h.netcap(append([]string{"repair"}, again...)...)
		assert.Equal(t, 0, status, stderr)
		for _, f := range again {
			if st, err := os.Stat(f); err == nil { // else it was begun, and not yet synced
				assert.Positive(t, st.Size(), f)
			}
		}
		t.Logf("repair: %s", stdout)
		assert.EqualValues(t, next+1, capinfosPackets(t, filepathGlob(t, copied.dir+"/set/*.pcapng")...))
		h.knowsCut(copied.dir+"/set", last.at, last.at)
	}
	// What else runs on the machine may keep a sync from the disk for a moment.
	assert.Less(t, late, cuts, "every cut lost more than --fsync")
}

// knowsCut has netcap gaps say of a set that the power was cut, so that what came after its
// last frame is missing and nothing else, and name no file that isn't there.
func (h *host) knowsCut(dir string, earliest, latest time.Time) {
	h.t.Helper()
	path := filepathGlob(h.t, dir+"/*.ledger")[0]
	// Of another boot, as it would be.
	boot := regexp.MustCompile(`"boot":"[^"]{36}"`)
	require.NoError(h.t, os.WriteFile(path, boot.ReplaceAll([]byte(content(h.t, path)), []byte(`"boot":"`+strings.Repeat("0", 36)+`"`)), 0o600))
	_, stdout, stderr := h.netcap("gaps", "--json", dir)
	var gaps []ledger.Gap
	require.NoError(h.t, json.Unmarshal([]byte(stdout), &gaps), stderr)
	require.NotEmpty(h.t, gaps)
	assert.Equal(h.t, ledger.Killed, gaps[0].Cause)
	assert.WithinRange(h.t, gaps[0].From, earliest, latest, "it begins with the last frame that is there")
	for _, g := range gaps {
		assert.NotEqual(h.t, ledger.MissingFile, g.Cause)
		assert.NotEqual(h.t, ledger.Deleted, g.Cause)
		if g.File != "" {
			assert.FileExists(h.t, filepath.Join(dir, g.File))
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	require.NoError(t, err)
	defer in.Close()
	out, err := os.Create(to)
	require.NoError(t, err)
	defer out.Close()
	_, err = io.Copy(out, in)
	require.NoError(t, err)
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}
