package pcapfile_test

import (
	"bytes"
	"io"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/pcapfile"
)

// smallFiles has a small file of each kind that the encoders and the builder
// make.
func smallFiles() map[string][]byte {
	ng := pcapfile.AppendSection(nil, &pcapfile.Section{Application: "netcap", Comments: []string{"small"}})
	ng = pcapfile.AppendInterface(ng, &pcapfile.Interface{Name: "eth0", LinkType: 1, SnapLen: 262144})
	ng = pcapfile.AppendPacket(ng, 0, aTime, []byte("first"), 60, 0)
	ng = pcapfile.AppendNames(ng, []pcapfile.Name{{Addr: netip.MustParseAddr("10.0.0.1"), Names: []string{"pacs"}}})
	ng = pcapfile.AppendPacket(ng, 0, aTime+1, []byte("second12"), 8, pcapfile.FlagInbound)
	ng = pcapfile.AppendCustom(ng, 32473, []byte("mine"), true)
	ng = pcapfile.AppendInterface(ng, &pcapfile.Interface{Name: "eth1", LinkType: 276})
	ng = pcapfile.AppendPacket(ng, 1, aTime+2, nil, 0, 0)
	ng = pcapfile.AppendStatistics(ng, 0, aTime+3, &pcapfile.Statistics{Received: pcapfile.Count(2), DroppedByOS: pcapfile.Count(0)})

	files := map[string][]byte{"pcapng": ng}
	for name, nano := range map[string]bool{"pcap": false, "nanosecond pcap": true} {
		b := pcapfile.AppendFileHeader(nil, 1, 65535, nano)
		b = pcapfile.AppendRecord(b, aTime, []byte("first"), 60, nano)
		b = pcapfile.AppendRecord(b, aTime+1e9, nil, 0, nano)
		b = pcapfile.AppendRecord(b, aTime+2e9, []byte("third"), 5, nano)
		files[name] = b
	}
	for _, order := range orders {
		f := &builder{order: order}
		f.pcapHeader(0xa1b2cd34, 2, 3, 100, 1).u32(1, 2, 3, 4, 5, 6).bytes("abc")
		files["Kuznetsov's pcap "+order.String()] = f.b
		f = &builder{order: order}
		f.section(1, 0).iface(1, 8, nil).block(3, func(b *builder) { b.u32(3).bytes("abc") })
		f.block(2, func(b *builder) { b.u16(0, 3).u32(1, 2, 4, 4).bytes("abcd").option(1, "c") })
		f.section(1, 2).iface(101, 0, nil).packet(0, 77, "abc", 3)
		files["pcapng "+order.String()] = f.b
	}
	return files
}

// TestTruncation cuts files at every byte: the packets before the cut are
// there, the error tells a torn block from a clean end, and Offset is the
// longest valid prefix.
func TestTruncation(t *testing.T) {
	for name, file := range smallFiles() {
		t.Run(name, func(t *testing.T) {
			// The ends of the records and blocks, by the lengths in the whole file.
			whole, r, err := readAll(t, bytes.NewReader(file))
			require.NoError(t, err)
			require.EqualValues(t, len(file), r.Offset())
			ends := boundaries(t, file, r.Format())

			valid := 0
			packets := 0
			for cut := range len(file) {
				if slices.Contains(ends, cut) {
					valid = cut
					packets = countPackets(t, file[:cut])
				}
				got, r, err := readAll(t, bytes.NewReader(file[:cut]))
				if cut == valid && cut > 0 {
					require.NoError(t, err, "cut at %d", cut)
				} else if cut > 0 {
					require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut at %d", cut)
				} else {
					require.ErrorIs(t, err, pcapfile.ErrFormat)
				}
				if valid == 0 {
					require.Nil(t, r, "cut at %d", cut)
				} else {
					require.EqualValues(t, valid, r.Offset(), "cut at %d", cut)
				}
				require.Equal(t, packets, len(got), "cut at %d", cut)
				for n := range got {
					require.Equal(t, whole[n], got[n], "cut at %d", cut)
				}
				if cut > 3 && cut != valid {
					var torn *pcapfile.TruncatedError
					require.ErrorAs(t, err, &torn)
					assert.EqualValues(t, valid, torn.Offset)
					assert.EqualValues(t, cut-valid, torn.Remaining)
				}
			}
		})
	}
}

// boundaries returns where the header, and each record or block of a file
// ends, by walking over its lengths.
func boundaries(t *testing.T, file []byte, format pcapfile.Format) []int {
	t.Helper()
	var ends []int
	le := orders[0].(interface{ Uint32([]byte) uint32 })
	be := orders[1].(interface{ Uint32([]byte) uint32 })
	u32 := le.Uint32
	if format == pcapfile.PCAP {
		if file[0] == 0xa1 {
			u32 = be.Uint32
		}
		header := 16
		if u32(file) == 0xa1b2cd34 {
			header = 24
		}
		for at := 24; ; {
			ends = append(ends, at)
			if at == len(file) {
				return ends
			}
			at += header + int(min(u32(file[at+8:]), u32(file[at+12:])))
		}
	}
	for at := 0; at < len(file); {
		if le.Uint32(file[at:]) == 0x0a0d0d0a {
			u32 = le.Uint32
			if file[at+8] == 0x1a {
				u32 = be.Uint32
			}
		}
		at += int(u32(file[at+4:]))
		ends = append(ends, at)
	}
	return ends
}

func countPackets(t *testing.T, file []byte) int {
	t.Helper()
	format := pcapfile.PCAPNG
	if file[0] != 0x0a {
		format = pcapfile.PCAP
	}
	ends := boundaries(t, file, format)
	if format == pcapfile.PCAP {
		return len(ends) - 1
	}
	packets, at := 0, 0
	for _, end := range ends {
		switch file[at] | file[at+3] { // the type is a small number in either order
		case 2, 3, 6:
			packets++
		}
		at = end
	}
	return packets
}

func TestTruncatedErrorText(t *testing.T) {
	file := smallFiles()["pcapng"]
	_, _, err := readAll(t, bytes.NewReader(file[:len(file)-1]))
	assert.EqualError(t, err, "pcapng block at offset 312 is cut short: 51 of 52 bytes")
	_, _, err = readAll(t, bytes.NewReader(file[:len(file)-47]))
	assert.EqualError(t, err, "pcapng block at offset 312 is cut short: the file ends 5 bytes into it")
	_, _, err = readAll(t, bytes.NewReader(smallFiles()["pcap"][:10]))
	assert.EqualError(t, err, "pcap file header is cut short: 10 of 24 bytes")
}
