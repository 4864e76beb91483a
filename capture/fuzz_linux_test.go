package capture_test

import (
	"encoding/binary"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"netcap/capture"
	"netcap/capture/internal/tpacket"
)

// heldBlock is a socket whose ring is one block, which the kernel has given up.
type heldBlock struct{ block []byte }

func (s heldBlock) Ring() ([]byte, int)             { return s.block, len(s.block) }
func (heldBlock) Wait(func() bool) error            { return os.ErrClosed }
func (heldBlock) Link() (capture.Link, error)       { return capture.Link{Index: 1, Up: true}, nil }
func (heldBlock) SetReadDeadline(time.Time) error   { return nil }
func (heldBlock) SetBPF([]bpf.RawInstruction) error { return nil }
func (heldBlock) Stats() (packets, drops uint32, err error) {
	return 0, 0, nil
}
func (heldBlock) Close() error { return nil }

// aligned returns n bytes that begin where the kernel would begin a block.
func aligned(n int) []byte {
	words := make([]uint64, (n+7)/8+1)
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8)[:n]
}

// FuzzBlock reads a block of any bytes: as many packets as it says come out or an error,
// each within the block and the snap length, and no packet is read for ever.
func FuzzBlock(f *testing.F) {
	for _, status := range []uint32{0, unix.TP_STATUS_VLAN_VALID, unix.TP_STATUS_VLAN_VALID | unix.TP_STATUS_VLAN_TPID_VALID} {
		block := aligned(2048)
		var w tpacket.Writer
		w.Open(block)
		for n := range 5 {
			w.Append(&tpacket.Frame{
				Time: 1e18 + int64(n), Data: make([]byte, 60+n), Length: 60 + 100*n, Status: status, VLANTCI: uint16(n), VLANTPID: 0x88a8, NetOff: 14,
				Addr: unix.RawSockaddrLinklayer{Hatype: unix.ARPHRD_ETHER, Halen: 6},
			})
		}
		w.Retire(0)
		f.Add(block, uint16(0))
		f.Add(block, uint16(64))
	}
	loop := aligned(512) // a packet that is followed by itself
	var w tpacket.Writer
	w.Open(loop)
	w.Append(&tpacket.Frame{Data: make([]byte, 60)})
	tpacket.Header(loop).Num_pkts = 1 << 31
	f.Add(loop, uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, snapLen uint16) {
		block := aligned(max(len(b), tpacket.DescSize) &^ 7)
		copy(block, b)
		tpacket.SetStatus(block, unix.TP_STATUS_USER)
		h, err := capture.New(heldBlock{block}, &capture.Config{Interface: "x", SnapLen: int(snapLen)})
		require.NoError(t, err)
		defer h.Close()
		batch, err := h.Next()
		require.NoError(t, err)
		defer batch.Release()
		claimed := int(tpacket.Header(block).Num_pkts)
		require.Equal(t, claimed, batch.Len())
		start, end := uintptr(unsafe.Pointer(&block[0])), uintptr(unsafe.Pointer(&block[0]))+uintptr(len(block))
		n := 0
		var p capture.Packet
		for batch.Next(&p) {
			n++
			require.LessOrEqual(t, n, len(block)/4, "packets are apart")
			if snapLen > 0 {
				require.LessOrEqual(t, len(p.Data), int(snapLen))
			}
			require.LessOrEqual(t, len(p.Source), 8)
			require.GreaterOrEqual(t, p.HeaderLen, 0)
			if len(p.Data) > 0 {
				first := uintptr(unsafe.Pointer(&p.Data[0]))
				require.True(t, first >= start && first+uintptr(len(p.Data)) <= end)
			}
		}
		require.Zero(t, batch.Len())
		require.Equal(t, n == claimed, batch.Err() == nil, "%d packets of %d: %v", n, claimed, batch.Err())
	})
}

// FuzzFrames writes frames as the kernel does, and reads them: nothing is lost of them, and a
// tag that the kernel took off is back in place.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("abcdefABCDEF\x08\x00payload"), uint16(5), uint16(0x8100), true, uint8(3))
	f.Add([]byte("short"), uint16(0), uint16(0), true, uint8(1))
	f.Add([]byte("abcdefABCDEF\x08\x00"), uint16(0), uint16(0), false, uint8(200))
	f.Fuzz(func(t *testing.T, data []byte, tci, tpid uint16, tagged bool, count uint8) {
		block := aligned(64 << 10)
		var w tpacket.Writer
		w.Open(block)
		frame := tpacket.Frame{Time: 1_700_000_000_123_456_789, Data: data, Length: len(data), NetOff: min(14, len(data)), Addr: unix.RawSockaddrLinklayer{Hatype: unix.ARPHRD_ETHER}}
		want := data
		if tagged {
			frame.Status = unix.TP_STATUS_VLAN_VALID | unix.TP_STATUS_VLAN_TPID_VALID
			frame.VLANTCI, frame.VLANTPID = tci, tpid
			if len(data) >= 12 {
				want = append([]byte(nil), data[:12]...)
				want = binary.BigEndian.AppendUint16(want, tpid)
				want = append(binary.BigEndian.AppendUint16(want, tci), data[12:]...)
			}
		}
		written := 0
		for range count {
			if len(data) > w.Room() || !w.Append(&frame) {
				break
			}
			written++
		}
		w.Retire(0)
		h, err := capture.New(heldBlock{block}, &capture.Config{Interface: "x"})
		require.NoError(t, err)
		defer h.Close()
		batch, err := h.Next()
		require.NoError(t, err)
		defer batch.Release()
		var p capture.Packet
		for range written {
			require.True(t, batch.Next(&p), "%v", batch.Err())
			require.Equal(t, string(want), string(p.Data))
			require.Equal(t, len(want), p.Length)
			require.Equal(t, frame.Time, p.Time)
		}
		require.False(t, batch.Next(&p))
		require.NoError(t, batch.Err())
	})
}
