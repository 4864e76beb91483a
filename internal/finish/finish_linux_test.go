package finish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"netcap/internal/testenv"
)

func start(t *testing.T, cfg Config) (*Finisher, *testenv.Output) {
	log := &testenv.Output{}
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	f, err := New(&cfg)
	require.NoError(t, err)
	return f, log
}

func write(t *testing.T, dir, name, content string) string {
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	old := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	require.NoError(t, os.Chtimes(path, old, old))
	return path
}

func names(t *testing.T, dir string) string {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

// What tshark reads of a compressed capture is what was captured.
func TestCompressed(t *testing.T) {
	corpus := testenv.Corpus(t)
	files, err := filepath.Glob(corpus + "/*/*.pcap*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	capture, err := os.ReadFile(files[0])
	require.NoError(t, err)
	for method, decompress := range map[Method][]string{Gzip: {"gzip", "-dc"}, Zstd: {"tshark", "-r"}} {
		t.Run(string(method), func(t *testing.T) {
			dir := t.TempDir()
			path := write(t, dir, "x.pcapng", string(capture))
			f, _ := start(t, Config{Dir: dir, Compress: method})
			f.Add(path)
			require.NoError(t, f.Close(t.Context()))
			assert.Equal(t, "x.pcapng"+method.Ext(), names(t, dir), "the original is gone")
			st, err := os.Stat(path + method.Ext())
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o600), st.Mode())
			assert.Equal(t, 2026, st.ModTime().UTC().Year(), "its time is carried over")
			got, err := exec.Command(testenv.Program(t, decompress[0]), append(decompress[1:], path+method.Ext())...).Output()
			require.NoError(t, err)
			want := capture
			if method == Zstd {
				want, err = exec.Command(testenv.Program(t, "tshark"), "-r", files[0]).Output()
				require.NoError(t, err)
			}
			assert.Equal(t, string(want), string(got))
			assert.Equal(t, Stats{Done: 1}, f.Stats())
		})
	}
}

// TestRun has something done with each file, in order, the last included, compressed before.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	var got, want []string
	f, _ := start(t, Config{Dir: dir, Compress: Gzip, Run: func(_ context.Context, path string) error {
		assert.FileExists(t, path)
		got = append(got, path)
		return nil
	}})
	for _, name := range []string{"a.pcapng", "b.pcapng", "c.pcapng"} {
		f.Add(write(t, dir, name, name))
		want = append(want, filepath.Join(dir, name)+".gz")
	}
	require.NoError(t, f.Close(t.Context()))
	assert.Equal(t, want, got)
}

func TestRunFails(t *testing.T) {
	dir := t.TempDir()
	f, log := start(t, Config{Dir: dir, Run: func(context.Context, string) error { return errors.New("so sorry") }})
	path := write(t, dir, "a.pcapng", "a")
	f.Add(path)
	assert.ErrorContains(t, f.Close(t.Context()), "failed for 1 file(s)")
	assert.Contains(t, log.String(), "so sorry")
	assert.FileExists(t, path)
	assert.Equal(t, Stats{Failed: 1}, f.Stats())

	_, err := New(&Config{Dir: dir, Compress: "rar"})
	assert.ErrorContains(t, err, "not one of none, gzip, zstd")
}

// A file that the set's bounds delete, at whatever moment, is no failure, and doesn't stay by
// another name.
func TestDeletedMeanwhile(t *testing.T) {
	dir := t.TempDir()
	f, log := start(t, Config{Dir: dir, Compress: Gzip})
	content := strings.Repeat("a capture ", 20_000)
	for i := range 200 {
		path := write(t, dir, fmt.Sprintf("%d.pcapng", i), content)
		f.Add(path)
		// From before it is opened until after it is compressed, which takes about 2 ms.
		time.Sleep(time.Duration(i) * 15 * time.Microsecond)
		if os.Remove(path) != nil { // by then it has its other name
			require.NoError(t, os.Remove(path+".gz"))
		}
		require.Eventually(t, func() bool { return f.Stats().Waiting == 0 }, time.Minute, 100*time.Microsecond)
	}
	require.NoError(t, f.Close(t.Context()))
	assert.Zero(t, f.Stats().Failed)
	assert.Empty(t, names(t, dir))
	assert.Empty(t, log.String())
}

// The command isn't run for a file that is no longer there.
func TestNothingToRun(t *testing.T) {
	dir := t.TempDir()
	f, _ := start(t, Config{Dir: dir, Run: func(context.Context, string) error { return errors.New("it was run") }})
	f.Add(filepath.Join(dir, "gone.pcapng"))
	require.NoError(t, f.Close(t.Context()))
	assert.Equal(t, Stats{}, f.Stats())
}

// What hangs is ended when there is no more time, and what is left is told.
func TestGivenUp(t *testing.T) {
	dir := t.TempDir()
	f, _ := start(t, Config{Dir: dir, Run: func(ctx context.Context, _ string) error {
		<-ctx.Done()
		return ctx.Err()
	}})
	f.Add(write(t, dir, "a.pcapng", "a"))
	f.Add(write(t, dir, "b.pcapng", "b"))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	assert.ErrorContains(t, f.Close(ctx), "2 finished file(s) were left as they are")
	assert.Equal(t, "a.pcapng b.pcapng", names(t, dir))
}

// Whatever goes wrong, the original is kept, and nothing else is touched.
func TestKept(t *testing.T) {
	victim := write(t, t.TempDir(), "victim", "precious")
	for name, tt := range map[string]struct {
		prepare func(dir, path string) error
		failed  int64
		left    string
	}{
		"name taken":            {func(_, path string) error { return os.WriteFile(path+".gz", []byte("another's"), 0o600) }, 1, "x.pcapng x.pcapng.gz"},
		"link at the temporary": {func(dir, _ string) error { return os.Symlink(victim, dir+"/.x.pcapng.gz.part") }, 1, ".x.pcapng.gz.part x.pcapng"},
		"link at the original": {func(_, path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Symlink(victim, path)
		}, 1, "x.pcapng"},
		"hard link":         {func(_, path string) error { return os.Link(path, filepath.Join(filepath.Dir(path), "y")) }, 1, "x.pcapng y"},
		"deleted meanwhile": {func(_, path string) error { return os.Remove(path) }, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f, _ := start(t, Config{Dir: dir, Compress: Gzip})
			path := write(t, dir, "x.pcapng", "content")
			require.NoError(t, tt.prepare(dir, path))
			f.Add(path)
			err := f.Close(t.Context())
			assert.Equal(t, tt.failed > 0, err != nil)
			assert.Equal(t, Stats{Failed: tt.failed}, f.Stats())
			assert.Equal(t, tt.left, names(t, dir))
			b, err := os.ReadFile(victim)
			require.NoError(t, err)
			assert.Equal(t, "precious", string(b))
			if name == "name taken" {
				b, err := os.ReadFile(path + ".gz")
				require.NoError(t, err)
				assert.Equal(t, "another's", string(b))
			}
		})
	}
}

func TestNoRoom(t *testing.T) {
	testenv.Root(t)
	dir := t.TempDir()
	require.NoError(t, unix.Mount("netcap-test", dir, "tmpfs", 0, "size=8m"))
	defer func() { assert.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) }()
	random := make([]byte, 5<<20)
	rnd, err := os.Open("/dev/urandom")
	require.NoError(t, err)
	_, err = rnd.Read(random)
	require.NoError(t, err)
	require.NoError(t, rnd.Close())
	path := write(t, dir, "x.pcapng", string(random))
	f, log := start(t, Config{Dir: dir, Compress: Zstd, KeepFree: func() int64 { return 1 << 20 }})
	f.Add(path)
	assert.Error(t, f.Close(t.Context()))
	assert.Contains(t, log.String(), "no space left on device")
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(random, got))
	assert.Equal(t, "x.pcapng", names(t, dir), "the half is gone")
}

// What a killed run left half done goes, and nothing that looks like it.
func TestTidy(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"x.pcapng", ".x.pcapng.gz.part", ".x.pcapng.zst.part", ".y.pcapng.gz.part", "x.pcapng.gz.part", ".x.pcapng.part"} {
		write(t, dir, name, "x")
	}
	f, _ := start(t, Config{Dir: dir, Compress: Gzip})
	require.NoError(t, f.Close(t.Context()))
	assert.Equal(t, ".x.pcapng.part .y.pcapng.gz.part x.pcapng x.pcapng.gz.part", names(t, dir))
}
