//go:build linux

package tpacket

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

// The layout is the kernel's: offsets from include/uapi/linux/if_packet.h.
func TestLayout(t *testing.T) {
	assert.Equal(t, 48, DescSize)
	assert.Equal(t, 48, PacketHeaderSize)
	assert.Equal(t, 48, AddrOffset)
	assert.Equal(t, 20, AddrSize)

	var d unix.TpacketHdrV1
	assert.Equal(t, 8, descHeaderOffset)
	assert.EqualValues(t, 0, unsafe.Offsetof(d.Block_status))
	assert.EqualValues(t, 4, unsafe.Offsetof(d.Num_pkts))
	assert.EqualValues(t, 8, unsafe.Offsetof(d.Offset_to_first_pkt))
	assert.EqualValues(t, 12, unsafe.Offsetof(d.Blk_len))
	assert.EqualValues(t, 16, unsafe.Offsetof(d.Seq_num))

	var p unix.Tpacket3Hdr
	assert.EqualValues(t, 0, unsafe.Offsetof(p.Next_offset))
	assert.EqualValues(t, 4, unsafe.Offsetof(p.Sec))
	assert.EqualValues(t, 8, unsafe.Offsetof(p.Nsec))
	assert.EqualValues(t, 12, unsafe.Offsetof(p.Snaplen))
	assert.EqualValues(t, 16, unsafe.Offsetof(p.Len))
	assert.EqualValues(t, 20, unsafe.Offsetof(p.Status))
	assert.EqualValues(t, 24, unsafe.Offsetof(p.Mac))
	assert.EqualValues(t, 26, unsafe.Offsetof(p.Net))
	assert.EqualValues(t, 28, unsafe.Offsetof(p.Hv1))
	assert.EqualValues(t, 4, unsafe.Offsetof(p.Hv1.Vlan_tci))
	assert.EqualValues(t, 8, unsafe.Offsetof(p.Hv1.Vlan_tpid))
}
