package decode_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/decode"
	"netcap/pcapfile"
)

// TestSnappedPayloads cuts packets at each byte, as snap lengths do, and compares whole
// lines with tcpdump's, of protocols of which it says no less
// than we do; that the answers of DNS are cut it leaves out.
func TestSnappedPayloads(t *testing.T) {
	const headers = 28
	same := map[string]bool{"dns question": true, "dhcp": true, "ntp": true, "syslog": true, "udp": true}
	equal := 0
	for name, data := range everyday(t) {
		file := pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeRaw, 0, true)
		var ours []string
		for n := headers; n <= min(len(data), 400); n++ {
			p := decode.Printer{Time: decode.TimeNone}
			text := string(p.Append(nil, &pcapfile.Packet{
				Data: data[:n], Length: uint32(len(data)), Interface: &pcapfile.Interface{LinkType: pcapfile.LinkTypeRaw},
			}))
			assert.NotContains(t, text, "[malformed packet]", "%s of %d bytes", name, n)
			file = pcapfile.AppendRecord(file, at.UnixNano(), data[:n], uint32(len(data)), true)
			ours = append(ours, text)
		}
		if !same[name] {
			continue
		}
		path := filepath.Join(t.TempDir(), "snapped.pcap")
		require.NoError(t, os.WriteFile(path, file, 0o600))
		theirs, ok := dump(t, "UTC", path, "-t")
		require.True(t, ok)
		assert.Equal(t, theirs, ours, name)
		equal += len(ours)
	}
	t.Logf("%d lines equal", equal)
}
