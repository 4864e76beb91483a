package repair_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/input"
	"netcap/internal/repair"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

var start = time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)

// captures are a small one of each format, with the offsets at which they are whole, and the
// packets up to there. A pcapng file in the data of a packet looks like what isn't there.
func captures(packets int) map[string]struct {
	content []byte
	whole   map[int]int64
} {
	type file = struct {
		content []byte
		whole   map[int]int64
	}
	embedded := pcapfile.AppendSection(nil, &pcapfile.Section{})
	embedded = pcapfile.AppendInterface(embedded, &pcapfile.Interface{LinkType: pcapfile.LinkTypeEthernet})
	old, ng := file{whole: map[int]int64{}}, file{whole: map[int]int64{}}
	note := func(f *file, n int) { f.whole[len(f.content)] = int64(n) }
	old.content = pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeEthernet, 65535, true)
	note(&old, 0)
	ng.content = pcapfile.AppendSection(nil, &pcapfile.Section{Application: "test"})
	note(&ng, 0)
	ng.content = pcapfile.AppendInterface(ng.content, &pcapfile.Interface{LinkType: pcapfile.LinkTypeEthernet})
	note(&ng, 0)
	for i := range packets {
		ns := start.Add(time.Duration(i) * time.Second).UnixNano()
		data := testenv.UDPFrame(uint32(i), 60+i)
		if i == 2 {
			data = append(data[:62:62], embedded...)
		}
		old.content = pcapfile.AppendRecord(old.content, ns, data, uint32(len(data)), true)
		note(&old, i+1)
		ng.content = pcapfile.AppendPacket(ng.content, 0, ns, data, uint32(len(data)), pcapfile.Flags(i%2))
		note(&ng, i+1)
	}
	ng.content = pcapfile.AppendStatistics(ng.content, 0, start.UnixNano(), &pcapfile.Statistics{DroppedByOS: pcapfile.Count(1)})
	note(&ng, packets)
	return map[string]file{"pcap": old, "pcapng": ng}
}

// TestEveryOffset truncates at each byte: what remains is the longest prefix that is whole,
// and repairing that again changes nothing.
func TestEveryOffset(t *testing.T) {
	dir := t.TempDir()
	for format, c := range captures(4) {
		path := filepath.Join(dir, format)
		header := len(c.content)
		for at := range c.whole {
			header = min(header, at)
		}
		var prefixes []string
		for n := range len(c.content) + 1 {
			require.NoError(t, os.WriteFile(path, c.content[:n], 0o600))
			r, err := repair.File(path, false)
			if n == 0 {
				require.NoError(t, err)
				require.True(t, r.Removed)
				continue
			}
			if n < header {
				require.ErrorContains(t, err, "no packet is in it", "%s: %d bytes", format, n)
				continue
			}
			require.NoError(t, err, "%s: %d bytes", format, n)
			want := n
			for c.whole[want] == 0 && want > 0 {
				if _, ok := c.whole[want]; ok {
					break
				}
				want--
			}
			assert.EqualValues(t, want, r.Offset, "%s: %d bytes", format, n)
			assert.EqualValues(t, n-want, r.Cut)
			assert.Equal(t, c.whole[want], r.Packets)
			assert.Equal(t, n == want, r.Reason == nil)
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, c.content[:want], b)
			again, err := repair.File(path, false)
			require.NoError(t, err)
			assert.Zero(t, again.Cut, "twice")
			assert.Equal(t, r.Packets, again.Packets)
			if r.Cut == 1 { // each prefix once
				copied := fmt.Sprintf("%s.%d", path, want)
				require.NoError(t, os.WriteFile(copied, b, 0o600))
				prefixes = append(prefixes, copied)
			}
		}
		require.Len(t, prefixes, len(c.whole)-1)
		for _, p := range prefixes {
			out, err := exec.Command(testenv.Program(t, "capinfos"), "-c", p).CombinedOutput()
			require.NoError(t, err, "%s: %s", p, out)
			if b, err := os.ReadFile(p); err == nil && len(b) > 100 {
				out, err = exec.Command(testenv.Program(t, "tcpdump"), "-r", p).CombinedOutput()
				assert.NoError(t, err, "%s: %s", p, out)
				assert.NotContains(t, string(out), "truncated dump file")
			}
		}
	}
}

func TestDamage(t *testing.T) {
	all := captures(20)
	for name, tt := range map[string]struct {
		change  func(format string, b []byte) []byte
		packets int64 // that are left where it is cut
		err     string
		forced  int64 // packets that are left by force
	}{
		"zeros":           {change: func(_ string, b []byte) []byte { return append(b, make([]byte, 5000)...) }, packets: 20},
		"zeros, large":    {change: func(_ string, b []byte) []byte { return append(b, make([]byte, 3<<20)...) }, packets: 20},
		"few zeros":       {change: func(_ string, b []byte) []byte { return append(b, make([]byte, 5)...) }, packets: 20},
		"garbage":         {change: func(_ string, b []byte) []byte { return append(b, bytes.Repeat([]byte("garbage!"), 100)...) }, packets: 20},
		"zeros in middle": {change: func(_ string, b []byte) []byte { clear(b[len(b)/2 : len(b)/2+200]); return b }, err: "damaged, and not torn: ", forced: 9},
		"length changed": {change: func(format string, b []byte) []byte {
			at := record(b, 10)
			if format == "pcap" {
				b[at+9] = 0x77
			} else {
				b[at+6] = 0x10
			}
			return b
		}, err: "damaged, and not torn: ", forced: 10},
		"text": {change: func(string, []byte) []byte { return []byte("hello, world, hello") }, err: "not a pcap or pcapng file"},
		"gzip": {change: func(string, []byte) []byte { return []byte("\x1f\x8b8901234567890") }, err: "it is compressed with gzip: decompress it, and repair that"},
	} {
		for format, c := range all {
			t.Run(name+"/"+format, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "file")
				changed := tt.change(format, bytes.Clone(c.content))
				require.NoError(t, os.WriteFile(path, changed, 0o640))
				r, err := repair.File(path, false)
				if tt.err == "" {
					require.NoError(t, err)
					assert.Equal(t, tt.packets, r.Packets)
					b, err := os.ReadFile(path)
					require.NoError(t, err)
					assert.Equal(t, c.content, b)
					return
				}
				require.ErrorContains(t, err, tt.err)
				assert.True(t, strings.HasPrefix(err.Error(), path+": "))
				b, readErr := os.ReadFile(path)
				require.NoError(t, readErr)
				assert.Equal(t, changed, b, "left as it is")
				r, err = repair.File(path, true)
				if tt.forced == 0 {
					assert.ErrorContains(t, err, tt.err)
					return
				}
				require.NoError(t, err)
				assert.InDelta(t, tt.forced, r.Packets, 2) // zeros in pcap read as packets, up to what isn't zero
				b, readErr = os.ReadFile(path)
				require.NoError(t, readErr)
				assert.Equal(t, changed[:r.Offset], b)
				r, err = repair.File(path, false)
				require.NoError(t, err)
				assert.Zero(t, r.Cut)
			})
		}
	}
}

// record is where a packet's record begins.
func record(b []byte, n int) int64 {
	r, _ := pcapfile.NewReader(bytes.NewReader(b))
	for range n {
		r.Next() //nolint:errcheck
	}
	p, _ := r.Next()
	return p.Offset
}

// TestKeeps holds mode, owner and time.
func TestKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, captures(3)["pcap"].content[:150], 0o604))
	require.NoError(t, os.Chmod(path, 0o604))
	then := start.Add(123456789)
	require.NoError(t, os.Chtimes(path, then, then))
	_, err := repair.File(path, false)
	require.NoError(t, err)
	st, err := os.Stat(path)
	require.NoError(t, err)
	assert.EqualValues(t, 0o604, st.Mode())
	assert.True(t, st.ModTime().Equal(then), st.ModTime())
	assert.Less(t, st.Size(), int64(150))
}

// TestRefused leaves what others use, and what is no file.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	torn := captures(3)["pcapng"].content[:200]
	refused := func(path, want string) {
		t.Helper()
		_, err := repair.File(path, true)
		var e *input.FileError
		require.ErrorAs(t, err, &e)
		assert.ErrorContains(t, err, want)
	}
	write := func(name string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, torn, 0o600))
		return path
	}
	path := write("open")
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	refused(path, "a process has it open for writing")
	f.Close()
	f, err = os.Open(path)
	require.NoError(t, err)
	require.NoError(t, unix.Flock(int(f.Fd()), unix.LOCK_SH))
	refused(path, "another process has locked it")
	f.Close()
	_, err = repair.File(path, false)
	require.NoError(t, err)

	earlier, last := write("eth0-20261123T130405Z-000001.pcapng"), write("eth0-20261123T130406Z-000002.pcapng")
	lock, err := os.Create(filepath.Join(dir, ".eth0.lock"))
	require.NoError(t, err)
	require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	refused(last, "a capture is writing it: it is whole when that has ended, see netcap stop eth0")
	_, err = repair.File(earlier, false)
	require.NoError(t, err)
	lock.Close()
	_, err = repair.File(last, false)
	require.NoError(t, err)

	twice := write("twice")
	require.NoError(t, os.Link(twice, filepath.Join(dir, "other name")))
	_, err = repair.File(twice, false)
	assert.ErrorContains(t, err, "it has another name too")
	_, err = repair.File(twice, true)
	require.NoError(t, err)

	require.NoError(t, os.Symlink(path, filepath.Join(dir, "link")))
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	refused(filepath.Join(dir, "fifo"), "no regular file")
	refused(filepath.Join(dir, "link"), "no regular file")
	refused(dir, "no regular file")
	refused(filepath.Join(dir, "missing"), "no such file")
}

// TestBugs refuses files of public bug reports: whole packets follow the damage. All of them
// are salvaged, and capinfos counts as many.
func TestBugs(t *testing.T) {
	for name, want := range map[string]struct {
		refused  string
		salvaged repair.Salvaged
	}{
		"repair-cat-pcap.pcap":            {"whole packets follow at offset 6749 (50 of them, pcap, little-endian)", repair.Salvaged{Packets: 100, Captures: 2}},
		"repair-torn-then-pcap.pcap":      {"whole packets follow at offset 6712 (50 of them, pcap, little-endian)", repair.Salvaged{Packets: 99, Captures: 2, Holes: 1, Skipped: 90}},
		"repair-torn-then-section.pcapng": {"whole packets follow at offset 7611 (50 of them, pcapng, little-endian)", repair.Salvaged{Packets: 99, Captures: 2, Holes: 1, Skipped: 107}},
		"repair-zeroed-sector.pcap":       {"whole packets follow at offset 78856 (196 of them, pcap, little-endian)", repair.Salvaged{Packets: 299, Captures: 1, Holes: 1, Skipped: 758}},
		"repair-length-beyond-eof.pcap":   {"whole packets follow at offset 3417 (24 of them, pcap, little-endian)", repair.Salvaged{Packets: 49, Captures: 1, Holes: 1, Skipped: 143}},
		"repair-bad-length-middle.pcap":   {"whole packets follow at offset 3417 (24 of them, pcap, little-endian)", repair.Salvaged{Packets: 49, Captures: 1, Holes: 1, Skipped: 143}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(testenv.Corpus(t), "bugs", name))
			require.NoError(t, err)
			path := filepath.Join(t.TempDir(), name)
			require.NoError(t, os.WriteFile(path, b, 0o600))
			_, err = repair.File(path, false)
			require.ErrorContains(t, err, want.refused)

			var out bytes.Buffer
			s, err := repair.Salvage(path, &out)
			require.NoError(t, err)
			assert.Equal(t, want.salvaged, *s)
			now, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, b, now, "left as it is")
			assert.EqualValues(t, s.Packets, packetsOf(t, out.Bytes()))
			if s.Holes > 0 {
				assert.Contains(t, out.String(), fmt.Sprintf("netcap repair: %d bytes at offset ", s.Skipped))
			}
			salvaged := path + ".pcapng"
			require.NoError(t, os.WriteFile(salvaged, out.Bytes(), 0o600))
			told, err := exec.Command(testenv.Program(t, "capinfos"), "-M", "-c", salvaged).CombinedOutput()
			require.NoError(t, err, "%s", told)
			assert.Regexp(t, fmt.Sprintf(`Number of packets: +%d\n`, s.Packets), string(told))
			told, err = exec.Command(testenv.Program(t, "tcpdump"), "--count", "-r", salvaged).CombinedOutput()
			require.NoError(t, err, "%s", told)
			assert.Contains(t, string(told), fmt.Sprintf("%d packets", s.Packets))
			again, err := repair.File(salvaged, false)
			require.NoError(t, err)
			assert.Zero(t, again.Cut, "what is salvaged is whole")
		})
	}
}

// TestSalvageDamage salvages captures with several holes, of both formats: the packets are those
// that can be read of the parts, all options of pcapng included.
func TestSalvageDamage(t *testing.T) {
	for format, c := range captures(40) {
		b := bytes.Clone(c.content)
		for _, n := range []int{7, 19, 33} {
			clear(b[record(c.content, n):][:20])
		}
		b = append(b, make([]byte, 1000)...)
		path := filepath.Join(t.TempDir(), format)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		var out bytes.Buffer
		s, err := repair.Salvage(path, &out)
		require.NoError(t, err)
		assert.EqualValues(t, 37, s.Packets, format)
		assert.EqualValues(t, 4, s.Holes, format)
		want, got := frames(t, c.content), frames(t, out.Bytes())
		want = append(append(append(want[:7:7], want[8:19]...), want[20:33]...), want[34:]...)
		assert.Equal(t, want, got, format)
		r, err := pcapfile.NewReader(bytes.NewReader(out.Bytes()))
		require.NoError(t, err)
		for err == nil {
			_, err = r.Next()
		}
		var comments []string
		for _, s := range r.Statistics() {
			comments = append(comments, s.Comments...)
		}
		require.Len(t, comments, 4, format)
		assert.Contains(t, comments[0], fmt.Sprintf("bytes at offset %d of %s were skipped here", record(c.content, 7), format))
		assert.Contains(t, comments[3], "zeros stand where")
	}
	path := filepath.Join(t.TempDir(), "nothing")
	require.NoError(t, os.WriteFile(path, make([]byte, 5000), 0o600))
	_, err := repair.Salvage(path, &bytes.Buffer{})
	assert.ErrorContains(t, err, "nothing to salvage")
}

// frames are the packets of a capture, with what is said of each.
func frames(t testing.TB, content []byte) (all []string) {
	t.Helper()
	r, err := pcapfile.NewReader(bytes.NewReader(content))
	require.NoError(t, err)
	for p, err := r.Next(); err == nil; p, err = r.Next() {
		all = append(all, fmt.Sprintf("%v %d %d %x", p.Time, p.Length, p.Flags, p.Data))
	}
	return all
}

// TestEmpty removes what a power cut leaves of a file that was begun, and nothing that may
// become one.
func TestEmpty(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "eth0-20261123T130405Z-000001.pcapng")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = repair.File(path, true)
	require.ErrorContains(t, err, "a process has it open for writing")
	require.NoError(t, f.Close())
	r, err := repair.File(path, false)
	require.NoError(t, err)
	assert.True(t, r.Removed)
	assert.NoFileExists(t, path)
}
