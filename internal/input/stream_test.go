package input_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/input"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// told is what a Stream says: a packet's file and second behind start, or an error.
func told(t *testing.T, s *input.Stream) (all []string) {
	t.Helper()
	for {
		p, f, err := s.Next()
		switch {
		case errors.Is(err, io.EOF):
			require.NoError(t, s.Close())
			return all
		case err != nil:
			var e *input.FileError
			require.ErrorAs(t, err, &e)
			all = append(all, filepath.Base(e.Path)+": "+strings.ReplaceAll(e.Err.Error(), filepath.Dir(e.Path), ""))
		case !p.HasTime:
			all = append(all, filepath.Base(f.Path)+" -")
		default:
			all = append(all, fmt.Sprintf("%s %v", filepath.Base(f.Path), p.Time.Sub(start).Seconds()))
		}
	}
}

// simple is a file whose packets have no time.
func simple() []byte {
	b := capture()
	for range 2 {
		// A Simple Packet Block of 4 bytes.
		b = append(b, 3, 0, 0, 0, 20, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4, 20, 0, 0, 0)
	}
	return b
}

func TestStream(t *testing.T) {
	dir, sets := t.TempDir(), t.TempDir()
	a := write(t, dir, "a", capture(1, 4, 5))
	b := write(t, dir, "b", capture(2, 4, 6))
	c := write(t, dir, "c", capture(7, 8))
	torn := write(t, dir, "torn", capture(3, 9)[:len(capture(3, 9))-10])
	simple := write(t, dir, "simple", simple())
	unordered := write(t, dir, "unordered", capture(3, 1, 7))
	write(t, sets, "b-20261123T130005Z-000002.pcapng", capture(5, 6))
	write(t, sets, "b-20261123T130001Z-000001.pcapng", capture(1, 5.5))
	write(t, sets, "b-20261123T130007Z-000003.pcapng.gz", compress(t, capture(7), "gzip", "-c"))
	write(t, sets, "b-20261123T130007Z-000003.pcapng", capture(7))
	write(t, sets, "a-20261123T130003Z-000001.pcapng", capture(3))
	write(t, sets, "b.ledger", []byte("{}\n"))
	write(t, sets, ".b.lock", nil)
	write(t, sets, "tcpdump.out7", capture(4))
	write(t, sets, "not.pcap", []byte("text"))
	empty := t.TempDir()

	for name, tt := range map[string]struct {
		paths    []string
		from, to float64
		want     string
	}{
		"none":      {want: ""},
		"one":       {paths: []string{a}, want: "a 1,a 4,a 5"},
		"two":       {paths: []string{a, b}, want: "a 1,b 2,a 4,b 4,a 5,b 6"},
		"swapped":   {paths: []string{b, a}, want: "a 1,b 2,b 4,a 4,a 5,b 6"},
		"disjoint":  {paths: []string{c, a}, want: "a 1,a 4,a 5,c 7,c 8"},
		"the same":  {paths: []string{c, c}, want: "c 7,c 7,c 8,c 8"},
		"stdin":     {paths: []string{a, "-"}, want: "a 1,standard input 2,a 4,a 5"},
		"unordered": {paths: []string{unordered, a}, want: "a 1,unordered 3,unordered 1,a 4,a 5,unordered 7"},
		"no times":  {paths: []string{simple, c}, want: "simple -,simple -,c 7,c 8"},
		"last":      {paths: []string{c, simple}, want: "c 7,c 8,simple -,simple -"},
		"between":   {paths: []string{a, simple, c}, want: "a 1,a 4,a 5,simple -,simple -,c 7,c 8"},
		"torn":      {paths: []string{torn, a}, want: "a 1,torn 3,torn: pcapng block at offset 176: pcapng block is cut short,a 4,a 5"},
		"missing":   {paths: []string{filepath.Join(dir, "x"), a}, want: "x: stat /x: no such file or directory,a 1,a 4,a 5"},
		"empty dir": {paths: []string{empty, c}, want: filepath.Base(empty) + ": no captures are in that directory,c 7,c 8"},
		"directory": {paths: []string{sets}, want: "b-20261123T130001Z-000001.pcapng 1,a-20261123T130003Z-000001.pcapng 3,not.pcap: not a pcap or pcapng file: it begins with bytes 74657874,tcpdump.out7 4," +
			"b-20261123T130005Z-000002.pcapng 5,b-20261123T130001Z-000001.pcapng 5.5,b-20261123T130005Z-000002.pcapng 6," +
			"b-20261123T130007Z-000003.pcapng 7"},
		"window":       {paths: []string{a, b}, from: 2, to: 5, want: "b 2,a 4,b 4"},
		"of one":       {paths: []string{a}, from: 4, want: "a 4,a 5"},
		"of unordered": {paths: []string{unordered}, to: 3, want: "unordered 1"},
		"untimed":      {paths: []string{simple}, from: 1, want: ""},
		"of sets": {paths: []string{sets}, from: 5.5, to: 7, want: "not.pcap: not a pcap or pcapng file: it begins with bytes 74657874," +
			"b-20261123T130001Z-000001.pcapng 5.5,b-20261123T130005Z-000002.pcapng 6"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := &input.Config{Stdin: bytes.NewReader(capture(2))}
			if tt.from != 0 {
				cfg.From = start.Add(time.Duration(tt.from * float64(time.Second)))
			}
			if tt.to != 0 {
				cfg.To = start.Add(time.Duration(tt.to * float64(time.Second)))
			}
			got := strings.Join(told(t, input.NewStream(tt.paths, cfg)), ",")
			if name == "torn" {
				assert.Regexp(t, `^a 1,torn 3,torn: pcapng block at offset \d+ is cut short: \d+ of \d+ bytes,a 4,a 5$`, got)
				return
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

// TestEnded asks a file at its end for what stands behind its last packet.
func TestEnded(t *testing.T) {
	b := pcapfile.AppendNames(capture(1), []pcapfile.Name{{Addr: netip.MustParseAddr("10.0.0.1"), Names: []string{"pacs"}}})
	path := write(t, t.TempDir(), "file", b)
	var names []string
	s := input.NewStream([]string{path, path}, &input.Config{Ended: func(f *input.File) { names = append(names, f.Names()[0].Names[0]) }})
	assert.Len(t, told(t, s), 2)
	assert.Equal(t, []string{"pacs", "pacs"}, names)
	read, total := s.Progress()
	assert.EqualValues(t, 2*len(b), read)
	assert.EqualValues(t, 2*len(b), total)
}

// TestMergecap holds the order to mergecap's, for pairs and more of the corpus.
func TestMergecap(t *testing.T) {
	mergecap := testenv.Program(t, "mergecap")
	all, err := filepath.Glob(filepath.Join(testenv.Corpus(t), "captures", "*.pcapng"))
	require.NoError(t, err)
	more, err := filepath.Glob(filepath.Join(testenv.Corpus(t), "dicom", "*.pcap"))
	require.NoError(t, err)
	all = append(all, more...)
	out := filepath.Join(t.TempDir(), "merged")
	compared := 0
	for i := 0; i+2 < len(all); i += 2 {
		paths := all[i : i+3]
		if b, err := exec.Command(mergecap, append([]string{"-w", out}, paths...)...).CombinedOutput(); err != nil || len(b) > 0 {
			continue // it can't read one of them
		}
		want, err := input.Open(out, nil)
		require.NoError(t, err)
		// Of equal times, mergecap takes the packet of the last file, not of the first.
		reversed := slices.Clone(paths)
		slices.Reverse(reversed)
		s := input.NewStream(reversed, nil)
		for n := 0; ; n++ {
			p, _, err := s.Next()
			w, wantErr := want.Next()
			if err == io.EOF {
				assert.Equal(t, io.EOF, wantErr, paths)
				break
			}
			require.NoError(t, err, paths)
			require.NoError(t, wantErr, paths)
			require.Equal(t, w.Time.Round(time.Microsecond), p.Time.Round(time.Microsecond), "packet %d of %s", n, paths)
			require.Equal(t, w.Data, p.Data, "packet %d of %s", n, paths)
		}
		require.NoError(t, s.Close())
		want.Close()
		compared++
	}
	t.Logf("%d merged", compared)
	assert.Greater(t, compared, 15)
}

const inChild = "NETCAP_TEST_WINDOW"

// TestWindowOpens counts, by strace, which files of a set of 3000 are opened for a window.
func TestWindowOpens(t *testing.T) {
	if dir := os.Getenv(inChild); dir != "" {
		var got []string
		for _, line := range told(t, input.NewStream([]string{dir}, &input.Config{From: start.Add(10 * time.Hour), To: start.Add(10*time.Hour + 90*time.Second)})) {
			got = append(got, strings.Fields(line)[1])
		}
		// Two packets a file: with it, and 59 s later.
		assert.Equal(t, []string{"36000", "36059", "36060"}, got)
		return
	}
	strace := testenv.Program(t, "strace")
	dir := t.TempDir()
	for n := range 3000 {
		at := float64(n * 60)
		name := fmt.Sprintf("eth0-%s-%06d.pcapng", start.Add(time.Duration(at)*time.Second).Format("20060102T150405Z"), n+1)
		write(t, dir, name, capture(at, at+59))
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command(strace, "-f", "-qq", "-e", "trace=openat", "-o", trace, os.Args[0], "-test.run=^TestWindowOpens$")
	cmd.Env = append(os.Environ(), inChild+"="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	b, err := os.ReadFile(trace)
	require.NoError(t, err)
	var opened []string
	for line := range strings.Lines(string(b)) {
		if at := strings.Index(line, "/eth0-"); at >= 0 {
			opened = append(opened, line[at+23:at+29])
		}
	}
	// 600 ends a second before the window, to which names are exact. The first that
	// begins behind it is asked when its first packet was.
	assert.Equal(t, []string{"000603", "000600", "000601", "000602"}, opened)
}

// TestClockSetBack finds packets where names mislead.
func TestClockSetBack(t *testing.T) {
	dir := t.TempDir()
	for n, at := range []float64{0, 3600, 7200, 1800, 5400} {
		name := fmt.Sprintf("eth0-%s-%06d.pcapng", start.Add(time.Duration(at)*time.Second).Format("20060102T150405Z"), n+1)
		seconds := []float64{at, at + 1000}
		if at == 7200 {
			seconds = []float64{at, 1000} // set back by then
		}
		write(t, dir, name, capture(seconds...))
	}
	get := func(from, to float64) (got []string) {
		cfg := &input.Config{From: start.Add(time.Duration(from) * time.Second), To: start.Add(time.Duration(to) * time.Second)}
		for _, line := range told(t, input.NewStream([]string{dir}, cfg)) {
			got = append(got, line[22:28]+line[35:])
		}
		return got
	}
	assert.Equal(t, []string{"000001 1000", "000003 1000"}, get(900, 1100))
	assert.Equal(t, []string{"000004 1800", "000004 2800"}, get(1500, 3000))
	assert.Equal(t, []string{"000005 5400", "000005 6400", "000003 7200"}, get(5000, 9000))
}

// TestMany has more files than are opened at once.
func TestMany(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for n := range 200 {
		content := capture(float64(1000-n), float64(1000-n)+1.5)
		if n < 20 {
			content = compress(t, content, "xz", "-9", "-c") // 64 MiB of dictionary each
		}
		paths = append(paths, write(t, dir, fmt.Sprint("file", 1000-n), content))
	}
	var last float64
	for i, line := range told(t, input.NewStream(paths, nil)) {
		var second float64
		_, err := fmt.Sscan(strings.Fields(line)[1], &second)
		require.NoError(t, err)
		require.GreaterOrEqual(t, second, last, "packet %d", i)
		last = second
	}
	assert.EqualValues(t, 1001.5, last)
}

// following delivers what a Stream that follows says, a line each.
func following(t *testing.T, path string) (lines <-chan string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := make(chan string, 1000)
	s, err := input.Follow(ctx, path, &input.Config{Changed: func(path, what string) { c <- filepath.Base(path) + ": " + what }})
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			p, f, err := s.Next()
			switch {
			case err == io.EOF:
				return
			case err != nil:
				c <- err.Error()
			default:
				c <- fmt.Sprintf("%s %v", filepath.Base(f.Path), p.Time.Sub(start).Seconds())
			}
		}
	}()
	return c, func() {
		cancel()
		<-done
		assert.NoError(t, s.Close())
		close(c)
		for line := range c {
			t.Errorf("more was said: %s", line)
		}
	}
}

func expect(t *testing.T, lines <-chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-lines:
			assert.Equal(t, w, got)
		case <-time.After(5 * time.Second):
			t.Fatalf("nothing came, %q was expected", w)
		}
	}
}

func appendTo(t *testing.T, path string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	require.NoError(t, err)
	_, err = f.Write(b)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestFollow(t *testing.T) {
	t.Run("grows", func(t *testing.T) {
		t.Parallel()
		b := capture(1, 2, 3)
		path := write(t, t.TempDir(), "file", nil)
		lines, stop := following(t, path)
		for i := 0; i < len(b); i += 50 { // header and records come in pieces
			appendTo(t, path, b[i:min(i+50, len(b))])
			time.Sleep(5 * time.Millisecond)
		}
		expect(t, lines, "file 1", "file 2", "file 3")
		appendTo(t, path, appendPackets(nil, 4))
		expect(t, lines, "file 4")
		appendTo(t, path, appendPackets(nil, 5)[:30])
		time.Sleep(300 * time.Millisecond)
		stop() // what is there in part is no error
	})
	const (
		removed   = "file: it was removed: another one of its name is waited for"
		replaced  = "file: another file has its name now: that is read on"
		truncated = "file: it was truncated: it is read again from its beginning"
	)
	t.Run("renamed", func(t *testing.T) {
		t.Parallel()
		path := write(t, t.TempDir(), "file", capture(1))
		lines, stop := following(t, path)
		expect(t, lines, "file 1")
		require.NoError(t, os.Rename(path, path+".1"))
		expect(t, lines, removed)
		appendTo(t, path+".1", appendPackets(nil, 2)) // as logrotate's programs do for a while
		expect(t, lines, "file 2")
		write(t, filepath.Dir(path), "file", capture(3))
		expect(t, lines, replaced, "file 3")
		stop()
	})
	t.Run("removed", func(t *testing.T) {
		t.Parallel()
		path := write(t, t.TempDir(), "file", capture(1))
		lines, stop := following(t, path)
		expect(t, lines, "file 1")
		for second := 2.0; second < 4; second++ {
			require.NoError(t, os.Remove(path))
			expect(t, lines, removed)
			write(t, filepath.Dir(path), "file", capture(second))
			expect(t, lines, replaced, fmt.Sprint("file ", second))
		}
		require.NoError(t, os.Remove(path))
		expect(t, lines, removed)
		time.Sleep(300 * time.Millisecond)
		stop() // it isn't said again
	})
	t.Run("replaced", func(t *testing.T) {
		t.Parallel()
		path := write(t, t.TempDir(), "file", capture(1, 2))
		lines, stop := following(t, path)
		expect(t, lines, "file 1", "file 2")
		require.NoError(t, os.Rename(write(t, filepath.Dir(path), "new", capture(3, 4, 5)), path))
		expect(t, lines, replaced, "file 3", "file 4", "file 5")
		stop()
	})
	t.Run("truncated", func(t *testing.T) {
		t.Parallel()
		path := write(t, t.TempDir(), "file", capture(1, 2))
		lines, stop := following(t, path)
		expect(t, lines, "file 1", "file 2")
		write(t, filepath.Dir(path), "file", capture(3))
		expect(t, lines, truncated, "file 3")
		require.NoError(t, os.Truncate(path, 0))
		expect(t, lines, truncated)
		appendTo(t, path, capture(4))
		expect(t, lines, "file 4")
		stop()
	})
	t.Run("truncated and written beyond where it was", func(t *testing.T) {
		t.Parallel()
		path := write(t, t.TempDir(), "file", capture(1, 2))
		lines, stop := following(t, path)
		expect(t, lines, "file 1", "file 2")
		time.Sleep(50 * time.Millisecond) // it waits
		write(t, filepath.Dir(path), "file", capture(3, 4, 5, 6))
		expect(t, lines, truncated, "file 3", "file 4", "file 5", "file 6")
		stop()
	})
	// A writer that finds the disk full takes back the record that it has begun.
	for _, at := range []string{"at once", "later"} {
		t.Run("cut back, and written on "+at, func(t *testing.T) {
			t.Parallel()
			whole := capture(1, 2)
			path := write(t, t.TempDir(), "file", append(capture(1, 2), appendPackets(nil, 3)[:30]...))
			lines, stop := following(t, path)
			expect(t, lines, "file 1", "file 2")
			for second := 4.0; second < 7; second++ {
				time.Sleep(50 * time.Millisecond)
				require.NoError(t, os.Truncate(path, int64(len(whole))))
				if at == "later" {
					time.Sleep(300 * time.Millisecond)
				}
				more := appendPackets(nil, second)
				appendTo(t, path, append(more[:len(more):len(more)], appendPackets(nil, 9)[:20]...))
				whole = append(whole, more...)
				expect(t, lines, fmt.Sprint("file ", second))
			}
			stop()
		})
	}
	names := []string{"a-20261123T130001Z-000001.pcapng", "a-20261123T130002Z-000002.pcapng", "a-20261123T130003Z-000003.pcapng", "a-20261123T130004Z-000007.pcapng"}
	for _, what := range []string{"file", "directory"} {
		t.Run("set by its "+what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, names[0], capture(1))
			write(t, dir, names[1], capture(2)[:len(capture(2))-3]) // torn by a kill
			write(t, dir, names[2], capture(3))
			path := dir
			if what == "file" {
				path = filepath.Join(dir, names[0])
			}
			lines, stop := following(t, path)
			expect(t, lines, names[0]+" 1")
			assert.Contains(t, <-lines, names[1]+": pcapng block at offset ")
			expect(t, lines, names[2]+" 3")
			appendTo(t, filepath.Join(dir, names[2]), appendPackets(nil, 3.5))
			expect(t, lines, names[2]+" 3.5")
			require.NoError(t, os.Rename(filepath.Join(dir, names[2]), filepath.Join(dir, "gone")))
			expect(t, lines, names[2]+": it was removed: the next file of the set is waited for")
			write(t, dir, names[3], nil)
			appendTo(t, filepath.Join(dir, names[3]), capture(4))
			expect(t, lines, names[3]+": the 3 files before it, from number 4 on, are missing: they were deleted before they could be read", names[3]+" 4")
			stop()
		})
	}
	t.Run("compressed", func(t *testing.T) {
		t.Parallel()
		path := write(t, t.TempDir(), "file", compress(t, capture(1, 2), "zstd", "-c"))
		s, err := input.Follow(context.Background(), path, nil)
		require.NoError(t, err)
		assert.Equal(t, []string{"file 1", "file 2"}, told(t, s))
	})
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		_, err := input.Follow(context.Background(), "/nowhere/file", nil)
		assert.ErrorIs(t, err, os.ErrNotExist)
	})
}

func BenchmarkStream(b *testing.B) {
	path := write(b, b.TempDir(), "file", many(200_000))
	for _, paths := range [][]string{{path}, {path, path}} {
		b.Run(fmt.Sprint(len(paths)), func(b *testing.B) {
			for b.Loop() {
				s := input.NewStream(paths, nil)
				for {
					if _, _, err := s.Next(); err != nil {
						break
					}
				}
				s.Close()
			}
		})
	}
}

// ringBlocks is what several rings of two interfaces give to files: blocks of packets, each in
// order, up to nine tenths of a second behind one another. Each packet's time is its own.
func ringBlocks(rnd *rand.Rand) [][]ringPacket {
	type block struct {
		packets []ringPacket
		written int64
	}
	var blocks []block
	taken := make(map[int64]bool)
	for ring := range 5 {
		for at := int64(0); at < 60e9; {
			var b block
			for range 1 + rnd.IntN(40) {
				at += 1 + rnd.Int64N(100e6)
				for taken[at] {
					at++
				}
				taken[at] = true
				b.packets = append(b.packets, ringPacket{uint32(ring % 2), uint32(ring / 2), at, []byte(fmt.Sprintf("%d of %d", at, ring))})
			}
			b.written = at + rnd.Int64N(900e6)
			at = b.written
			blocks = append(blocks, b)
		}
	}
	slices.SortFunc(blocks, func(a, b block) int { return cmp.Compare(a.written, b.written) })
	var out [][]ringPacket
	for _, b := range blocks {
		out = append(out, b.packets)
	}
	return out
}

type ringPacket struct {
	device, queue uint32
	at            int64 // behind start, in nanoseconds
	data          []byte
}

func ringsFile(blocks [][]ringPacket) []byte {
	b := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "netcap test"})
	for _, name := range []string{"a", "b"} {
		b = pcapfile.AppendInterface(b, &pcapfile.Interface{Name: name, LinkType: pcapfile.LinkTypeEthernet, FCSLen: -1})
	}
	for _, block := range blocks {
		for _, p := range block {
			b = pcapfile.AppendQueuedPacket(b, p.device, start.UnixNano()+p.at, p.data, uint32(len(p.data)), pcapfile.Flags(p.at%2), p.queue)
		}
	}
	return b
}

// TestReordercap holds the order of packets that several rings gave to reordercap's, within
// one file and across those of a set, compressed, torn and within bounds.
func TestReordercap(t *testing.T) {
	reordercap := testenv.Program(t, "reordercap")
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		blocks := ringBlocks(rnd)
		dir, set := t.TempDir(), t.TempDir()
		one := write(t, dir, "one.pcapng", ringsFile(blocks))
		sorted := filepath.Join(dir, "sorted.pcapng")
		require.NoError(t, exec.Command(reordercap, one, sorted).Run())
		want := contents(t, input.NewStream([]string{sorted}, nil))
		require.Greater(t, len(want), 1000)
		assert.Empty(t, difference(want, contents(t, input.NewStream([]string{one}, nil))))
		unsorted, err := input.Open(one, nil)
		require.NoError(t, err)
		assert.NotEmpty(t, difference(want, contentsOf(t, unsorted.Next)), "a file's own order is another one")
		require.NoError(t, unsorted.Close())

		for i, part := 0, 1; i < len(blocks); part++ {
			n := min(1+rnd.IntN(len(blocks)), len(blocks)-i)
			name := fmt.Sprintf("x-%s-%06d.pcapng", start.Add(time.Duration(blocks[i][0].at)).UTC().Format("20060102T150405Z"), part)
			path := write(t, set, name, ringsFile(blocks[i:i+n]))
			if rnd.IntN(3) == 0 {
				require.NoError(t, exec.Command(testenv.Program(t, "gzip"), path).Run())
			}
			i += n
		}
		assert.Empty(t, difference(want, contents(t, input.NewStream([]string{set}, nil))))

		from, to := start.Add(20*time.Second), start.Add(40*time.Second)
		var within []string
		for _, data := range want {
			var at int64
			_, err := fmt.Sscanf(data, "%d of", &at)
			require.NoError(t, err)
			if at >= 20e9 && at < 40e9 {
				within = append(within, data)
			}
		}
		assert.Empty(t, difference(within, contents(t, input.NewStream([]string{set}, &input.Config{From: from, To: to}))))

		// What is before a tear is told, in order, and then the tear.
		whole, err := os.ReadFile(one)
		require.NoError(t, err)
		torn := write(t, dir, "torn.pcapng", whole[:len(whole)/2-2])
		s := input.NewStream([]string{torn}, nil)
		var got []string
		for {
			p, _, err := s.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				var damage *pcapfile.TruncatedError
				require.ErrorAs(t, err, &damage)
				continue
			}
			got = append(got, string(p.Data))
		}
		require.NoError(t, exec.Command(reordercap, write(t, dir, "half.pcapng", wholeBlocks(whole[:len(whole)/2-2])), sorted).Run())
		assert.Empty(t, difference(contents(t, input.NewStream([]string{sorted}, nil)), got))
	}
}

// difference says where got differs first, "" if nowhere: all of it would be pages.
func difference(want, got []string) string {
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			return fmt.Sprintf("differ from %d on, of %d and %d", i, len(want), len(got))
		}
	}
	return ""
}

// wholeBlocks is what of a file is whole.
func wholeBlocks(b []byte) []byte {
	n := 0
	for n+12 <= len(b) {
		size := int(binary.LittleEndian.Uint32(b[n+4:]))
		if n+size > len(b) {
			break
		}
		n += size
	}
	return b[:n]
}

func contents(t *testing.T, s *input.Stream) []string {
	t.Helper()
	all := contentsOf(t, func() (*pcapfile.Packet, error) {
		p, _, err := s.Next()
		return p, err
	})
	require.NoError(t, s.Close())
	return all
}

func contentsOf(t *testing.T, next func() (*pcapfile.Packet, error)) (all []string) {
	t.Helper()
	for {
		p, err := next()
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		all = append(all, string(p.Data))
	}
}

// TestReorderedHolds has rings that are far apart in a file: more isn't held back than there
// may be, and each packet is told once.
func TestReorderedHolds(t *testing.T) {
	b := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "netcap test"})
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{LinkType: pcapfile.LinkTypeEthernet, FCSLen: -1})
	const n, size = 10_000, 20_000
	for i := range n {
		data := make([]byte, size)
		binary.LittleEndian.PutUint32(data, uint32(i))
		b = pcapfile.AppendQueuedPacket(b, 0, start.UnixNano()+int64(i), data, size, 0, uint32(i%2))
	}
	path := write(t, t.TempDir(), "x.pcapng", b)
	b = nil
	s := input.NewStream([]string{path}, nil)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		p, _, err := s.Next()
		require.NoError(t, err)
		require.EqualValues(t, i, binary.LittleEndian.Uint32(p.Data))
		if i == n/2 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			held := int64(now.HeapAlloc) - int64(before.HeapAlloc)
			assert.Less(t, held, int64(100<<20))
			assert.Greater(t, held, int64(30<<20))
		}
	}
	_, _, err := s.Next()
	assert.Equal(t, io.EOF, err)
}
