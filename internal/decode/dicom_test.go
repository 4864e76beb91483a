package decode_test

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// TestDICOMAgainstTshark holds the PDUs that we name to those which tshark sees, of
// every capture, and where they begin to what is followed through each stream.
func TestDICOMAgainstTshark(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(testenv.Corpus(t), "dicom", "*.pcap"))
	require.NoError(t, err)
	starts, named, unnamed := 0, 0, 0
	for _, path := range paths {
		// Without reassembly, tshark looks into each segment for itself.
		streams := make(map[string]bool)
		for _, row := range tshark(t, path, "dicom", "tcp.stream") {
			streams[strings.Split(row[0], ",")[0]] = true
		}
		streamOf := make(map[string]string)
		for _, row := range tshark(t, path, "tcp", "frame.number", "tcp.stream") {
			streamOf[row[0]] = row[1]
		}
		begin := pduStarts(t, path)
		for n, text := range oursOf(t, path) {
			kinds, ok := begin[n+1]
			isDICOM := strings.HasPrefix(payloadOf(text), "DICOM ")
			switch {
			case !streams[streamOf[fmt.Sprint(n+1)]]:
				// An association that the capture has only the end of, or none.
				if isDICOM && !strings.HasPrefix(filepath.Base(path), "midstream") {
					assert.True(t, ok, "%s packet %d: %s", path, n+1, text)
				}
			case ok:
				starts++
				if assert.True(t, isDICOM, "%s packet %d: %s", path, n+1, text) {
					named++
					got := payloadOf(text)
					for i, kind := range kinds {
						if i == 4 {
							break
						}
						_, got, ok = strings.Cut(got, kind)
						assert.True(t, ok, "%s packet %d: %s has no %s", path, n+1, text, kind)
					}
				}
			case isDICOM:
				// A command set behind the headers in a segment before.
				assert.Regexp(t, `^DICOM [CN]-`, payloadOf(text), "%s packet %d", path, n+1)
				unnamed++
			}
		}
	}
	t.Logf("%d of %d segments that begin with a PDU named, and %d that begin with a command set", named, starts, unnamed)
	assert.Greater(t, starts, 500)
}

// pduStarts follows the PDUs of each stream by their lengths, and returns the names of
// those that begin in packets which begin with one.
func pduStarts(t testing.TB, path string) map[int][]string {
	names := []string{"", "A-ASSOCIATE-RQ", "A-ASSOCIATE-AC", "A-ASSOCIATE-RJ", "P-DATA-TF", "A-RELEASE-RQ", "A-RELEASE-RP", "A-ABORT"}
	next := make(map[string]uint32) // the sequence number at which the next PDU begins
	begin := make(map[int][]string)
	each(t, path, func(n int, pk *pcapfile.Packet) bool {
		first := gopacket.Decoder(layers.LayerTypeEthernet)
		if pk.Interface.LinkType == pcapfile.LinkTypeLinuxSLL2 {
			first = layers.LayerTypeLinuxSLL2
		}
		g := gopacket.NewPacket(pk.Data, first, gopacket.Default)
		tcp, ok := g.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !ok || g.NetworkLayer() == nil {
			return true
		}
		flow := g.NetworkLayer().NetworkFlow().String() + tcp.TransportFlow().String()
		if tcp.SYN {
			next[flow] = tcp.Seq + 1
			return true
		}
		at, known := next[flow]
		if !known {
			return true
		}
		var kinds []string
		for rest := tcp.Payload; at >= tcp.Seq && int(at-tcp.Seq)+6 <= len(rest); {
			pdu := rest[at-tcp.Seq:]
			if pdu[0] < 1 || pdu[0] > 7 || pdu[1] != 0 {
				delete(next, flow) // no DICOM, or no longer
				return true
			}
			if at == tcp.Seq || kinds != nil {
				kinds = append(kinds, names[pdu[0]])
			}
			at += 6 + binary.BigEndian.Uint32(pdu[2:])
		}
		next[flow] = at
		if kinds != nil {
			begin[n] = kinds
		}
		return true
	})
	return begin
}

// TestNotDICOM holds that nothing is called DICOM which tshark doesn't.
func TestNotDICOM(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(testenv.Corpus(t), "captures", "*.pcap*"))
	require.NoError(t, err)
	packets := 0
	for _, path := range paths {
		for n, text := range oursOf(t, path) {
			packets++
			assert.NotContains(t, text, ": DICOM ", "%s packet %d", path, n+1)
		}
	}
	t.Logf("%d packets, none of them DICOM", packets)
}

// TestNoPatients prints no word of a data set, and no UID.
func TestNoPatients(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(testenv.Corpus(t), "dicom", "*.pcap"))
	require.NoError(t, err)
	for _, path := range paths {
		for _, text := range oursOf(t, path) {
			assert.NotRegexp(t, `1\.2\.840|\^|(?i)doe|patient`, payloadOf(text), path)
		}
	}
}
