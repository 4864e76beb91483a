package dicom_test

import (
	"cmp"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/stretchr/testify/require"

	"netcap/internal/dicom"
	"netcap/pcapfile"
)

// flow is a direction of a connection.
type flow struct{ from, to netip.AddrPort }

func (f flow) reverse() flow { return flow{f.to, f.from} }

// stream is what a flow carries: its segments by where they begin, without what was
// captured before.
type stream struct {
	first    uint32 // sequence number of the first byte
	whole    bool   // that is the first byte of the connection
	segments []segment
}

type segment struct {
	at     int32 // behind the first byte
	length int   // on the wire
	data   []byte
}

// streams sorts the segments of a capture by sequence number, which a test may do that
// has all of them at hand.
func streams(t testing.TB, path string) map[flow]*stream {
	t.Helper()
	all := make(map[flow]*stream)
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	r, err := pcapfile.NewReader(file)
	require.NoError(t, err)
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		first := gopacket.Decoder(layers.LayerTypeEthernet)
		if p.Interface.LinkType == pcapfile.LinkTypeLinuxSLL2 {
			first = layers.LayerTypeLinuxSLL2
		}
		g := gopacket.NewPacket(p.Data, first, gopacket.Default)
		ip, ok := g.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		tcp, ok2 := g.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !ok || !ok2 {
			continue
		}
		src, _ := netip.AddrFromSlice(ip.SrcIP)
		dst, _ := netip.AddrFromSlice(ip.DstIP)
		f := flow{netip.AddrPortFrom(src, uint16(tcp.SrcPort)), netip.AddrPortFrom(dst, uint16(tcp.DstPort))}
		s := all[f]
		if s == nil {
			s = &stream{first: tcp.Seq}
			all[f] = s
		}
		if tcp.SYN {
			s.first, s.whole = tcp.Seq+1, true
		}
		length := int(ip.Length) - int(ip.IHL)*4 - int(tcp.DataOffset)*4
		if length > 0 {
			s.segments = append(s.segments, segment{int32(tcp.Seq - s.first), length, slices.Clone(tcp.Payload[:min(length, len(tcp.Payload))])})
		}
	}
	for _, s := range all {
		slices.SortStableFunc(s.segments, func(a, b segment) int { return cmp.Compare(a.at, b.at) })
		var kept []segment
		end := int32(0)
		for _, g := range s.segments {
			if seen := int(end - g.at); seen > 0 {
				if seen >= g.length {
					continue
				}
				g = segment{end, g.length - seen, g.data[min(seen, len(g.data)):]}
			}
			kept = append(kept, g)
			end = g.at + int32(g.length)
		}
		s.segments = kept
	}
	return all
}

// feed gives the stream to a decoder.
func (s *stream) feed(d *dicom.Decoder) {
	if !s.whole {
		d.Join()
	}
	at := int32(0)
	for _, g := range s.segments {
		d.Missing(int64(g.at - at))
		d.Write(g.data)
		d.Missing(int64(g.length - len(g.data)))
		at = g.at + int32(g.length)
	}
	d.Close()
}

// follow decodes a stream, which may be none.
func follow(s *stream) *recorder {
	r := new(recorder)
	if s != nil {
		s.feed(dicom.New(r))
	}
	r.flush()
	return r
}
