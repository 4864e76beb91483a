package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// TestNothingIsLeftBehind: what fails before the first packet leaves no file.
func TestNothingIsLeftBehind(t *testing.T) {
	dir := t.TempDir()
	text := writeTestFile(t, filepath.Join(dir, "text"), []byte("no capture at all"))
	empty := writeTestFile(t, filepath.Join(dir, "empty"), nil)
	torn := writeTestFile(t, filepath.Join(dir, "torn"), packetsAt("eth0", 0)[:100])
	good := writeTestFile(t, filepath.Join(dir, "good"), packetsAt("eth0", 0))
	for name, paths := range map[string][]string{
		"text": {text}, "empty": {empty}, "torn": {torn}, "several": {text, empty}, "stdin": {"-"}, "no such filter": {good, "vlann"},
	} {
		for what, newCommand := range map[string]func() *cobra.Command{"read": newReadCommand, "extract": newExtractCommand} {
			out := filepath.Join(dir, "out.pcapng")
			_, _, err := runCommand(newCommand(), []byte("hello"), append([]string{"-w", out}, paths...)...)
			assert.Error(t, err, "%s %s", what, name)
			assert.NoFileExists(t, out, "%s %s", what, name)
			stdout, _, err := runCommand(newCommand(), []byte("hello"), append([]string{"-w", "-"}, paths...)...)
			assert.Error(t, err, "%s %s", what, name)
			if name != "torn" && name != "no such filter" { // which have a header to pass on
				assert.Empty(t, stdout, "%s %s", what, name)
			}
		}
	}
	// What could be read is kept.
	out := filepath.Join(dir, "out.pcapng")
	_, stderr, err := runCommand(newReadCommand(), nil, "-w", out, text, good)
	assert.Error(t, err)
	assert.Contains(t, stderr, "not a pcap or pcapng file")
	assert.Equal(t, "0", secondsIn(t, out))
}

// TestKeptOrSaid: secrets are in a copy, or it is said that they aren't.
func TestKeptOrSaid(t *testing.T) {
	in := filepath.Join(testenv.Corpus(t), "bugs", "tls12-dsb.pcapng")
	dir := t.TempDir()
	out := filepath.Join(dir, "out.pcapng")
	_, stderr, err := runCommand(newReadCommand(), nil, in, "-w", out)
	require.NoError(t, err)
	assert.Empty(t, stderr)
	decrypted := func(path string) string {
		b, err := exec.Command(testenv.Program(t, "tshark"), "-r", path, "-Y", "http", "-T", "fields", "-e", "frame.number", "-e", "http.request.uri").Output()
		require.NoError(t, err)
		return string(b)
	}
	assert.NotEmpty(t, decrypted(in))
	assert.Equal(t, decrypted(in), decrypted(out))

	part := filepath.Join(dir, "part.pcapng")
	_, stderr, err = runCommand(newExtractCommand(), nil, in, "-w", part, "tcp port 4433 or tcp")
	require.NoError(t, err)
	assert.NotContains(t, stderr, "left out")
	assert.Equal(t, decrypted(in), decrypted(part))

	old := filepath.Join(dir, "out.pcap")
	_, stderr, err = runCommand(newReadCommand(), nil, in, "-w", old)
	require.NoError(t, err)
	assert.Equal(t, "netcap: "+old+": left out: 2 blocks of decryption secrets and 1 description of a machine (pcap has no place for that: write pcapng to keep it)\n", stderr)

	scrubbed := filepath.Join(dir, "scrubbed.pcapng")
	_, stderr, err = runCommand(newExtractCommand(), nil, "--scrub", "dicom", in, "-w", scrubbed)
	require.NoError(t, err)
	assert.Contains(t, stderr, "\n  left out: 2 blocks of decryption secrets and 1 description of a machine (as\n    the copy is scrubbed)\n")
	b, err := os.ReadFile(scrubbed)
	require.NoError(t, err)
	assert.NotContains(t, string(b), "CLIENT_RANDOM")

	// A hash is of what was there before it was overwritten.
	b = packetsAt("eth0")
	b = pcapfile.AppendPacketOptions(b, 0, testStart.UnixNano(), testenv.UDPFrame(1, 60), 60, 0, pcapfile.Counter{}, nil, pcapfile.Option{Code: pcapfile.OptionHash, Value: []byte("\x02hash")})
	hashed := writeTestFile(t, filepath.Join(dir, "hashed.pcapng"), b)
	_, stderr, err = runCommand(newExtractCommand(), nil, "--scrub", "dicom", hashed, "-w", filepath.Join(dir, "hashless.pcapng"))
	require.NoError(t, err)
	assert.Contains(t, stderr, "left out: 1 hash of a packet (as the copy is scrubbed)")
}

// TestNothingLooksWhole ends netcap in the midst of its work, by a signal that it takes note
// of, by one that it can't, and by a full disk: no file has the name that was asked for.
func TestNothingLooksWhole(t *testing.T) {
	dir := t.TempDir()
	content := packetsAt("eth0")
	for n := range 20_000 {
		content = pcapfile.AppendPacket(content, 0, testStart.UnixNano()+int64(n), testenv.UDPFrame(uint32(n), 500), 500, 0)
	}
	in := writeTestFile(t, filepath.Join(dir, "in.pcapng"), content)
	half := len(content) / 2
	for name, signal := range map[string]os.Signal{"Ctrl-C": os.Interrupt, "SIGTERM": syscall.SIGTERM, "SIGKILL": os.Kill} {
		for _, command := range []string{"read", "extract"} {
			out := filepath.Join(t.TempDir(), "out.pcapng")
			cmd := exec.Command(testenv.Netcap(t), command, "-", "-w", out)
			stdin, err := cmd.StdinPipe()
			require.NoError(t, err)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			require.NoError(t, cmd.Start())
			_, err = stdin.Write(content[:half])
			require.NoError(t, err)
			require.NoError(t, cmd.Process.Signal(signal))
			time.Sleep(50 * time.Millisecond)
			_, _ = stdin.Write(content[half:]) // which nobody may read any more
			assert.Error(t, cmd.Wait(), "%s %s", command, name)
			assert.NoFileExists(t, out, "%s %s", command, name)
			assert.FileExists(t, out+".part", "%s %s", command, name)
			if signal == os.Kill {
				_, said, err := runCommand(newReadCommand(), nil, in, "-w", out)
				assert.ErrorContains(t, err, "was killed before it was whole", said)
				continue
			}
			assert.Contains(t, stderr.String(), "interrupted", "%s %s", command, name)
			assert.Contains(t, stderr.String(), out+".part", "%s %s", command, name)
			said, err := exec.Command(testenv.Program(t, "capinfos"), "-c", out+".part").Output()
			require.NoError(t, err, "what there is of it is a capture")
			assert.Contains(t, string(said), "Number of packets")
		}
	}
	for what, newCommand := range map[string]func() *cobra.Command{"read": newReadCommand, "extract": newExtractCommand} {
		out := filepath.Join(dir, what+".pcapng")
		_, _, err := runCommand(newCommand(), nil, in, "-w", out)
		require.NoError(t, err)
		assert.NoFileExists(t, out+".part")
		packets, err := exec.Command(testenv.Program(t, "capinfos"), "-T", "-r", "-M", "-c", out).Output()
		require.NoError(t, err)
		assert.Contains(t, string(packets), "\t20000\n")
	}
}
