package decode_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/decode"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// jsonPacket are fields of netcap read --json.
type jsonPacket struct {
	Time            *string
	Length          int
	Captured        int
	Source          *string
	Destination     *string
	SourcePort      *int `json:"source_port"`
	DestinationPort *int `json:"destination_port"`
	Protocol        *string
	TCP             *struct {
		Flags            string
		Seq, Ack, Length uint32
	}
	Info string
}

// Each packet of the corpus is an object, which ends as its line does.
func TestJSON(t *testing.T) {
	packets := 0
	for _, path := range captures(t) {
		var p, q decode.Printer
		q.Time = decode.TimeNone
		each(t, path, func(n int, pk *pcapfile.Packet) bool {
			b := p.AppendJSON([]byte("x"), pk)
			var got jsonPacket
			require.NoError(t, json.Unmarshal(b[1:], &got), "%s packet %d: %s", path, n, b)
			line := string(q.Append(nil, pk))
			assert.True(t, strings.HasSuffix(line, strings.ReplaceAll(got.Info, "\ufffd", "")) || strings.Contains(got.Info, "\ufffd"), "%s packet %d: %q %q", path, n, line, got.Info)
			assert.Equal(t, len(pk.Data), got.Captured)
			packets++
			return true
		})
	}
	assert.Greater(t, packets, 5000)
}

// Addresses and ports are those that tshark finds.
func TestJSONAgainstTshark(t *testing.T) {
	tshark := testenv.Program(t, "tshark")
	for _, name := range []string{"echo_ok.pcap", "store_ok.pcap"} {
		path := filepath.Join(testenv.Corpus(t), "dicom", name)
		out, err := exec.Command(tshark, "-n", "-r", path, "-Y", "tcp", "-T", "fields", "-e", "ip.src", "-e", "ip.dst", "-e", "tcp.srcport", "-e", "tcp.dstport", "-e", "tcp.seq_raw", "-e", "tcp.len", "-e", "frame.len").Output()
		if _, missing := err.(*exec.ExitError); missing {
			continue // that file isn't in the corpus
		}
		require.NoError(t, err)
		var ours []string
		var p decode.Printer
		each(t, path, func(_ int, pk *pcapfile.Packet) bool {
			var got jsonPacket
			require.NoError(t, json.Unmarshal(p.AppendJSON(nil, pk), &got))
			if got.TCP != nil {
				ours = append(ours, strings.Join([]string{
					*got.Source, *got.Destination, strconv.Itoa(*got.SourcePort), strconv.Itoa(*got.DestinationPort),
					strconv.FormatUint(uint64(got.TCP.Seq), 10), strconv.FormatUint(uint64(got.TCP.Length), 10), strconv.Itoa(got.Length),
				}, "\t"))
			}
			return true
		})
		assert.Equal(t, strings.Split(strings.TrimSpace(string(out)), "\n"), ours)
	}
}
