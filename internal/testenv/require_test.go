package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// outcome stands in for a test and keeps how it ended.
type outcome struct {
	testing.TB
	log             strings.Builder
	skipped, failed bool
}

func (o *outcome) Helper() {}

func (o *outcome) Logf(format string, args ...any) {}

func (o *outcome) Skipf(format string, args ...any) {
	o.skipped = true
	o.end(format, args...)
}

func (o *outcome) Fatalf(format string, args ...any) {
	o.failed = true
	o.end(format, args...)
}

func (o *outcome) end(format string, args ...any) {
	fmt.Fprintf(&o.log, format, args...)
	runtime.Goexit()
}

func TestLacking(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	for _, tt := range []struct {
		name    string
		require string
		corpus  string
		needs   func(testing.TB)
		skipped bool
		failed  bool
		text    string
	}{
		{
			name: "program lacking", needs: func(t testing.TB) { Program(t, "no-such-program") },
			skipped: true, text: "not run: needs no-such-program",
		},
		{
			name: "program required", require: "root,peers", needs: func(t testing.TB) { Program(t, "no-such-program") },
			failed: true, text: "not run: needs no-such-program",
		},
		{
			name: "something else required", require: "root,corpus", needs: func(t testing.TB) { Program(t, "no-such-program") },
			skipped: true, text: "not run: needs no-such-program",
		},
		{
			name: "corpus lacking", corpus: nowhere, needs: func(t testing.TB) { Corpus(t) },
			skipped: true, text: "not run: needs the corpus",
		},
		{
			name: "corpus required", corpus: nowhere, require: "corpus", needs: func(t testing.TB) { Corpus(t) },
			failed: true, text: "not run: needs the corpus",
		},
		{name: "program there", require: "peers", needs: func(t testing.TB) { Program(t, "sh") }},
		{name: "corpus there", corpus: ".", require: "corpus", needs: func(t testing.TB) { Corpus(t) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("NETCAP_REQUIRE", tt.require)
			t.Setenv("NETCAP_CORPUS", tt.corpus)
			o := &outcome{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				tt.needs(o)
			}()
			<-done
			assert.Equal(t, tt.skipped, o.skipped, "skipped")
			assert.Equal(t, tt.failed, o.failed, "failed")
			assert.True(t, strings.HasPrefix(o.log.String(), tt.text), o.log.String())
		})
	}
}

func TestRepository(t *testing.T) {
	assert.FileExists(t, filepath.Join(repository(t), "go.mod"))
	require.DirExists(t, filepath.Join(repository(t), "internal", "testenv"))
}

func TestNetcap(t *testing.T) {
	info, err := os.Stat(Netcap(t))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o755), info.Mode())
	assert.Equal(t, Netcap(t), Netcap(t))
}
