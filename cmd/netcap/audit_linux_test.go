package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/ledger"
	"netcap/internal/testenv"
)

// acts are the acts in a ledger, as any program reads them.
func acts(t *testing.T, path string) (all []ledger.Act) {
	t.Helper()
	for line := range strings.Lines(content(t, path)) {
		var l struct{ Act *ledger.Act }
		require.NoError(t, json.Unmarshal([]byte(strings.TrimSpace(line)), &l), line)
		if l.Act != nil {
			all = append(all, *l.Act)
		}
	}
	return all
}

// TestAudit has the ledger, and the log, say who did what with a set, while it is captured and
// after; the gaps are the same with that and without. What isn't allowed to write it works.
func TestAudit(t *testing.T) {
	h := newOperated(t)
	letThrough(t, h.dir)
	set, book := "/var/lib/netcap/c0", h.lib+"/netcap/c0/c0.ledger"
	sudo := func(args ...string) string {
		p := h.start(h.program(append([]string{"env", "SUDO_USER=al\x1b[2Jice", testenv.Netcap(t)}, args...)...))
		p.wait()
		require.Equal(t, 0, p.cmd.ProcessState.ExitCode(), p.stderr.String())
		return p.stdout.String()
	}
	p := h.capture("-i", "c0", "--group", fmt.Sprint(readers), "--keep-free", "1", "-G", "8760h", "udp")
	h.peer.Flood(t, "g0", 1000, 500)
	h.awaitWritten("c0", 500)
	sudo("rotate", "c0")
	h.peer.Flood(t, "g0", 1000, 100)
	h.awaitWritten("c0", 600)
	sudo("extract", "c0", "--from", "1h", "-w", h.dir+"/x.pcapng", "udp", "and", "greater", "10")
	sudo("hold", "c0", "--from", "1h", "--to", "1m", "--reason", "a ticket")
	status, _, stderr := h.as(fmt.Sprint(readers), "extract", set, "--from", "1h", "-w", "-")
	require.Equal(t, 0, status, stderr)
	sudo("stop", "c0")
	p.wait()
	assert.Equal(t, 4, strings.Count(p.stderr.String(), "msg=audit"), "%s", &p.stderr)
	assert.Contains(t, p.stderr.String(), `msg=audit what=extract user=root uid=0 login="al\x1b[2Jice" from=`)

	before, _ := h.gaps()
	sudo("read", h.seen(book, ".pcapng"), "-w", h.dir+"/y.pcapng")
	sudo("release", "c0", "1")
	torn := h.seen(book, ".pcapng")
	f, err := os.OpenFile(strings.Replace(torn, "/var/lib", h.lib, 1), os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.WriteString("\x06\x00\x00\x00torn")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	sudo("repair", torn)
	after, _ := h.gaps()
	assert.Equal(t, causesOf(before), causesOf(after))

	var what []string
	all := acts(t, book)
	for _, a := range all {
		what = append(what, a.What)
		assert.Equal(t, "root", a.User)
		assert.Equal(t, "al\x1b[2Jice", a.Login)
	}
	require.Equal(t, []string{"rotate", "extract", "hold", "stop", "read", "release", "repair"}, what)
	assert.EqualValues(t, 600, *all[1].Packets)
	assert.Equal(t, "udp and greater 10", all[1].Filter)
	assert.Equal(t, filepath.Join(h.dir, "x.pcapng"), all[1].Into)
	assert.NotNil(t, all[1].From)
	assert.Equal(t, "hold 1: a ticket", all[2].Text)

	// The next run keeps them, and what they say does nothing to a terminal.
	p = h.capture("-i", "c0", "--keep-free", "1", "-G", "8760h", "udp")
	p.stop()
	assert.Len(t, acts(t, book), len(what))
	assert.NotContains(t, content(t, book), "\x1b")
	table := sudo("list", "--audit", "c0")
	assert.Equal(t, len(what)+1, strings.Count(table, "\n"), table)
	assert.Regexp(t, `(?m)^\S+ \S+ +c0 +extract +root +"al\\x1b\[2Jice" +- .* udp and greater 10 +600 +`+h.dir+`/x\.pcapng$`, table)
}

// seen is the first file beside a ledger with an extension, as the host sees it.
func (h *host) seen(book, ext string) string {
	h.t.Helper()
	files := filepathGlob(h.t, filepath.Dir(book)+"/*"+ext)
	require.NotEmpty(h.t, files)
	return strings.Replace(files[0], h.lib, "/var/lib", 1)
}
