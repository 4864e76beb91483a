package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/fileset"
	"netcap/internal/holds"
	"netcap/internal/ledger"
	"netcap/internal/testenv"
)

// What a command may take, whatever it is given to read.
const (
	hostileMemory   = 256 << 20
	hostilePatience = 60 * time.Second
)

// told is what came of a command.
type told struct {
	stdout, stderr string
	status         int
	memory         int64 // bytes that were resident at once, at most
}

// runHostile runs the program on files that others made, and holds what no file may change:
// it ends by itself, with status 0, 1 or 5, in the memory that it has, and doesn't crash.
func runHostile(t testing.TB, args ...string) *told {
	t.Helper()
	var stdout bytes.Buffer
	o := runHostileTo(t, &stdout, args...)
	o.stdout = stdout.String()
	return o
}

// runHostileTo is runHostile with standard output elsewhere.
func runHostileTo(t testing.TB, stdout io.Writer, args ...string) *told {
	t.Helper()
	// The kernel takes for a process's peak that of its parent if that was higher, since
	// they share their memory until exec(2): proc_pid_clear_refs(5) resets ours.
	require.NoError(t, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0))
	ctx, cancel := context.WithTimeout(t.Context(), hostilePatience)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, testenv.Netcap(t), args...)
	cmd.Stdout, cmd.Stderr = stdout, &stderr
	cmd.Env = append(os.Environ(), "TZ=UTC")
	err := cmd.Run()
	what := strings.Join(args[:min(len(args), 12)], " ")
	require.NoError(t, ctx.Err(), "%s: not done after %v", what, hostilePatience)
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(t, err, &exit, what)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	o := &told{"", stderr.String(), cmd.ProcessState.ExitCode(), int64(usage.Maxrss) << 10}
	require.Contains(t, []int{0, exitFailed, exitFound}, o.status, "%s: %v\n%s", what, err, o.stderr[max(0, len(o.stderr)-2000):])
	require.NotRegexp(t, `panic|goroutine|fatal error|SIG[A-Z]{3}`, o.stderr, what)
	assert.Less(t, o.memory, int64(hostileMemory), what)
	return o
}

// nothingRaw says that text holds nothing that a terminal acts on but the ends of lines,
// and tabs.
func nothingRaw(t testing.TB, text, what string) {
	t.Helper()
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) || r == utf8.RuneError && size == 1 {
			t.Errorf("%s: %q is printed as it is, in %q", what, text[i:i+size], text[max(0, i-60):min(len(text), i+60)])
			return
		}
	}
}

// damage are the errors of files, which say where the damage is: at an offset, or in what a
// file begins with, which names the link type too.
var damage = regexp.MustCompile(`at offset \d+|pcap file header|not a pcap or pcapng file|data (is cut short|can't be read).* \d+ bytes|the file ends in its header|skippable frame|filter: link type \S+ is not supported`)

// extracted is the line in which netcap extract says what came of it, or read what it left
// out of what it wrote.
var extracted = regexp.MustCompile(`^netcap: ([\d,]+ packets? of |\S+/out\.pcapng: )`)

// saysWhere says that each error is about one of the files, and where in it.
func saysWhere(t testing.TB, o *told, files []string) {
	t.Helper()
	said := false
	for line := range strings.Lines(o.stderr) {
		// With --scrub that goes on in lines that are indented.
		if said = extracted.MatchString(line) || said && strings.HasPrefix(line, "  "); said {
			continue
		}
		line, named := strings.CutPrefix(line, "netcap: ")
		assert.True(t, named && slices.ContainsFunc(files, func(f string) bool { return strings.HasPrefix(line, f+": ") }), "%q names no file", line)
		assert.Regexp(t, damage, line)
	}
}

// hostileCorpus writes mutated files of the corpus into a directory, and returns them in
// lots, each for one process. The same files come out each time.
func hostileCorpus(t *testing.T, dir string) (lots [][]string) {
	const most = 64 << 10 // bytes of a file that are taken
	corpus := testenv.Corpus(t)
	var paths []string
	require.NoError(t, filepath.WalkDir(corpus, func(path string, d fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); err == nil && d.Type().IsRegular() && (ext == ".pcap" || ext == ".pcapng" || ext == ".ntar") {
			paths = append(paths, path)
		}
		return err
	}))
	step := 5
	if testing.Short() {
		step = 25
	}
	read := func(path string) []byte {
		f, err := os.Open(path)
		require.NoError(t, err)
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, most))
		require.NoError(t, err)
		return b
	}
	r := rand.New(rand.NewPCG(20, 26))
	var files []string
	for n := 0; n < len(paths); n += step {
		whole, other := read(paths[n]), read(paths[r.IntN(len(paths))])
		for _, m := range mutations {
			b := m.do(r, bytes.Clone(whole), other)
			base := strings.TrimSuffix(filepath.Base(paths[n]), filepath.Ext(paths[n]))
			files = append(files, writeTestFile(t, filepath.Join(dir, fmt.Sprintf("%04d-%s-%s%s", len(files), base, m.name, filepath.Ext(paths[n]))), b))
		}
	}
	require.Greater(t, len(files), len(mutations)*700/step/2)
	const lot = 200
	return slices.Collect(slices.Chunk(files, lot))
}

// TestHostileFiles has each command that reads captures read mutated ones.
func TestHostileFiles(t *testing.T) {
	lots := hostileCorpus(t, t.TempDir())
	for _, tt := range []struct {
		name, flags string
		filter      string
		writes      bool
	}{
		{name: "read", flags: "read"},
		{name: "read all there is", flags: "read -#enttttvvvXX --color=never"},
		{name: "read little", flags: "read -qA -ttt"},
		{name: "read hex", flags: "read -xx -ttttt"},
		{name: "read filtered", flags: "read", filter: "len > 30 and not len = 60"},
		{name: "read a time", flags: "read --from 2001-01-01 --to 2030-01-01 -c 5000"},
		{name: "read json", flags: "read --json"},
		{name: "read written", flags: "read", writes: true},
		{name: "info", flags: "info --top=5"},
		{name: "info json", flags: "info --top --json"},
		{name: "extract", flags: "extract", writes: true},
		{name: "extract scrubbed", flags: "extract --scrub dicom", writes: true},
		{name: "dicom", flags: "dicom --ops"},
		{name: "dicom problems", flags: "dicom --problems"},
		{name: "dicom json", flags: "dicom --json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, files := range lots {
				args := append(strings.Fields(tt.flags), files...)
				if tt.filter != "" {
					args = append(args, "--", tt.filter)
				}
				if tt.writes {
					args = append(args, "-w", filepath.Join(t.TempDir(), "out.pcapng"))
				}
				o := runHostile(t, args...)
				nothingRaw(t, o.stdout, "standard output")
				nothingRaw(t, o.stderr, "standard error")
				saysWhere(t, o, files)
				if strings.Contains(tt.flags, "json") {
					isJSON(t, o.stdout)
				}
				if !tt.writes {
					continue
				}
				again := runHostile(t, "info", args[len(args)-1])
				assert.Zero(t, again.status, "what was written is whole: %s", again.stderr)
			}
		})
	}
}

// isJSON says that text is JSON documents.
func isJSON(t testing.TB, text string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	for {
		var v any
		err := d.Decode(&v)
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
	}
}

// TestHostileRepair repairs mutated files: those that are whole then, by its own words, can
// be read to their end.
func TestHostileRepair(t *testing.T) {
	for _, flags := range []string{"repair", "repair --force"} {
		t.Run(flags, func(t *testing.T) {
			for _, files := range hostileCorpus(t, t.TempDir()) {
				o := runHostile(t, append(strings.Fields(flags), files...)...)
				nothingRaw(t, o.stdout, "standard output")
				nothingRaw(t, o.stderr, "standard error")
				saysWhere(t, o, files)
				var whole []string
				for line := range strings.Lines(o.stdout) {
					path, _, _ := strings.Cut(line, ": ")
					whole = append(whole, path)
				}
				assert.Equal(t, len(files), len(whole)+strings.Count(o.stderr, "\n"), "each is told of")
				again := runHostile(t, append([]string{"read"}, whole...)...)
				assert.Zero(t, again.status, "%s", again.stderr)
				again = runHostile(t, append([]string{"repair"}, whole...)...)
				assert.Equal(t, len(whole), strings.Count(again.stdout, ": left as it is\n"))
			}
		})
	}
}

// TestHostileSets has what reads directories read some of mutated files, and with mutated
// ledgers and holds.
func TestHostileSets(t *testing.T) {
	base := t.TempDir()
	files := slices.Concat(hostileCorpus(t, base)...)
	start := time.Date(2026, 11, 23, 13, 4, 5, 0, time.UTC)
	ledgerOf := func(dir string) []byte {
		l, err := ledger.Open(&ledger.Config{Dir: dir, Name: "x", Now: func() time.Time { return start.Add(time.Hour) }})
		require.NoError(t, err)
		for n := range 20 {
			from := start.Add(time.Duration(n) * time.Minute)
			l.Lost(ledger.RingFull, "eth0", "file", from, from.Add(time.Second), int64(n))
			l.Enter(ledger.Gap{From: from, To: from.Add(time.Second), Cause: ledger.Suspended})
		}
		require.NoError(t, l.Close())
		b, err := os.ReadFile(filepath.Join(dir, fileset.Ledger("x")))
		require.NoError(t, err)
		return b
	}
	r := rand.New(rand.NewPCG(20, 27))
	const sets = 36
	for n := range sets {
		dir := filepath.Join(base, fmt.Sprintf("set%d", n))
		require.NoError(t, os.Mkdir(dir, 0o700))
		for seq := range 4 {
			name := fmt.Sprintf("x-%s-%06d.pcapng", start.Add(time.Duration(seq)*time.Minute).Format("20060102T150405Z"), seq+1)
			require.NoError(t, os.Rename(files[n*4+seq], filepath.Join(dir, name)))
		}
		for range 5 {
			_, err := holds.Add(dir, "x", holds.Hold{From: start, To: start.Add(90 * time.Second), Reason: "evidence", By: "root", Made: start})
			require.NoError(t, err)
		}
		m := mutations[n%len(mutations)]
		b := ledgerOf(dir)
		b = m.do(r, b, b)
		writeTestFile(t, filepath.Join(dir, fileset.Ledger("x")), b)
		if n%3 == 0 {
			b, err := os.ReadFile(filepath.Join(dir, "x.holds"))
			require.NoError(t, err)
			writeTestFile(t, filepath.Join(dir, "x.holds"), m.do(r, b, ledgerOf(dir)))
		}
		for _, flags := range []string{"list", "list --json", "gaps", "gaps --json", "hold", "hold --json", "info", "dicom"} {
			o := runHostile(t, append(strings.Fields(flags), dir)...)
			nothingRaw(t, o.stdout, flags)
			nothingRaw(t, o.stderr, flags)
			if strings.Contains(flags, "json") {
				isJSON(t, o.stdout)
			}
			for line := range strings.Lines(o.stderr) {
				assert.Contains(t, line, dir, flags)
			}
		}
	}
}

// runAnyStatus runs the program, which may refuse its command line.
func runAnyStatus(t testing.TB, args ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hostilePatience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, testenv.Netcap(t), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.Error(t, cmd.Run(), "%q", args)
	require.NoError(t, ctx.Err())
	require.NotRegexp(t, `panic|goroutine|fatal error`, errs.String())
	return out.String(), errs.String()
}
