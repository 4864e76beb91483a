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
		dicom, streamOf := make(map[string]bool), make(map[int]string)
		for _, row := range tshark(t, path, "tcp", "frame.number", "tcp.stream", "frame.protocols") {
			var n int
			_, err := fmt.Sscan(row[0], &n)
			require.NoError(t, err)
			streamOf[n] = row[1]
			dicom[row[1]] = dicom[row[1]] || strings.Contains(row[2], "dicom")
		}
		begin, followed := pduStarts(t, path)
		for n, text := range oursOf(t, path) {
			kinds, ok := begin[n+1]
			isDICOM := strings.HasPrefix(payloadOf(text), "DICOM ")
			switch {
			case !dicom[streamOf[n+1]]:
				// tshark needs an A-ASSOCIATE-RQ, which one capture has not.
				if filepath.Base(path) != "midstream.pcap" {
					assert.False(t, isDICOM, "%s packet %d: %s", path, n+1, text)
				}
			case !ok && !followed[n+1]: // behind a gap in the capture
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

// A stream is one direction of a connection: the segments at each sequence number,
// from the first byte on.
type stream struct {
	first    uint32
	segments []streamSegment
}

type streamSegment struct {
	packet int
	at     uint32 // behind the first byte
	data   []byte
}

// pduStarts follows the PDUs of each stream by their lengths, and returns the names of
// those that begin in packets which begin with one, and which packets could be followed.
func pduStarts(t testing.TB, path string) (begin map[int][]string, followed map[int]bool) {
	names := []string{"", "A-ASSOCIATE-RQ", "A-ASSOCIATE-AC", "A-ASSOCIATE-RJ", "P-DATA-TF", "A-RELEASE-RQ", "A-RELEASE-RP", "A-ABORT"}
	begin, followed = make(map[int][]string), make(map[int]bool)
	for _, s := range streams(t, path) {
		starts := make(map[uint32]byte) // where PDUs begin, and of which type
		at := uint32(0)
		from := 0 // most segments are in order
		for known := true; known; {
			known = false
			for i := range s.segments {
				i = (i + from) % len(s.segments)
				segment := s.segments[i]
				if at < segment.at || int(at-segment.at)+6 > len(segment.data) {
					continue
				}
				pdu := segment.data[at-segment.at:]
				if pdu[0] >= 1 && pdu[0] <= 7 && pdu[1] == 0 {
					starts[at] = pdu[0]
					at += 6 + binary.BigEndian.Uint32(pdu[2:])
					known, from = true, i
				}
				break
			}
		}
		for _, segment := range s.segments {
			followed[segment.packet] = segment.at < at
			next := segment.at
			for starts[next] != 0 && int(next-segment.at)+6 <= len(segment.data) {
				begin[segment.packet] = append(begin[segment.packet], names[starts[next]])
				next += 6 + binary.BigEndian.Uint32(segment.data[next-segment.at+2:])
			}
		}
	}
	return begin, followed
}

func streams(t testing.TB, path string) map[string]*stream {
	all := make(map[string]*stream)
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
			all[flow] = &stream{first: tcp.Seq + 1}
		} else if s := all[flow]; s != nil && len(tcp.Payload) > 0 {
			s.segments = append(s.segments, streamSegment{n, tcp.Seq - s.first, tcp.Payload})
		}
		return true
	})
	return all
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
