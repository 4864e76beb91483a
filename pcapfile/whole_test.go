package pcapfile_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"netcap/pcapfile"
)

func TestWhole(t *testing.T) {
	ng := pcapfile.AppendInterface(nil, &pcapfile.Interface{Name: "a"})
	first := len(ng)
	ng = pcapfile.AppendPacket(ng, 0, 1, make([]byte, 61), 61, pcapfile.FlagInbound)
	second := len(ng)
	ng = pcapfile.AppendPacket(ng, 0, 2, make([]byte, 100), 100, 0)
	classic := pcapfile.AppendRecord(nil, 1, make([]byte, 61), 61, true)
	record := len(classic)
	classic = pcapfile.AppendRecord(classic, 2, make([]byte, 100), 100, true)
	for cut := range ng {
		n, packets := pcapfile.Whole(pcapfile.PCAPNG, ng[:cut])
		want, wantPackets := 0, 0
		if cut >= first {
			want = first
		}
		if cut >= second {
			want, wantPackets = second, 1
		}
		require.Equal(t, []int{want, wantPackets}, []int{n, packets}, "cut at %d", cut)
	}
	for cut := range classic {
		n, packets := pcapfile.Whole(pcapfile.PCAP, classic[:cut])
		want, wantPackets := 0, 0
		if cut >= record {
			want, wantPackets = record, 1
		}
		require.Equal(t, []int{want, wantPackets}, []int{n, packets}, "cut at %d", cut)
	}
}
