package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

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
	assert.Equal(t, "netcap: "+old+": left out: 2 blocks of decryption secrets (pcap has no place for that: write pcapng to keep it)\n", stderr)

	scrubbed := filepath.Join(dir, "scrubbed.pcapng")
	_, stderr, err = runCommand(newExtractCommand(), nil, "--scrub", "dicom", in, "-w", scrubbed)
	require.NoError(t, err)
	assert.Contains(t, stderr, "; left out: 2 blocks of decryption secrets (as the copy is scrubbed)")
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
