package testenv

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUDPFrame(t *testing.T) {
	for _, size := range []int{MinFrame, 60, 61, 1514, MaxFrame} {
		for _, seq := range []uint32{0, 1, 0xffff, 0x10000, math.MaxUint32} {
			frame := UDPFrame(seq, size)
			assert.Len(t, frame, size)
			got, ok := Seq(frame)
			assert.True(t, ok)
			assert.Equal(t, seq, got)
			_, ok = Seq(frame[:MinFrame-1])
			assert.False(t, ok, "a frame cut short of its number")
		}
	}
	other := UDPFrame(1, 100)
	other[ipOffset+12]++ // from another address
	_, ok := Seq(other)
	assert.False(t, ok)
	assert.Panics(t, func() { UDPFrame(0, MinFrame-1) })
	assert.Panics(t, func() { UDPFrame(0, MaxFrame+1) })
}

// tcpdump verifies the checksums, of IPv4 and of UDP.
func TestUDPFrameChecksums(t *testing.T) {
	tcpdump := Program(t, "tcpdump")
	var file bytes.Buffer
	// The header of a classic file: version 2.4, snap length, link type 1.
	binary.Write(&file, binary.LittleEndian, []uint32{0xa1b2c3d4, 4<<16 | 2, 0, 0, 262144, 1})
	frames := 0
	add := func(frame []byte) {
		binary.Write(&file, binary.LittleEndian, []uint32{0, 0, uint32(len(frame)), uint32(len(frame))})
		file.Write(frame)
		frames++
	}
	for size := MinFrame; size < 200; size++ {
		for _, seq := range []uint32{0, 1, 0xfffe, 0x10000, 0xfffefffe, math.MaxUint32} {
			add(UDPFrame(seq, size))
		}
	}
	add(UDPFrame(7, MaxFrame))
	path := filepath.Join(t.TempDir(), "frames.pcap")
	require.NoError(t, os.WriteFile(path, file.Bytes(), 0o600))

	output, err := exec.Command(tcpdump, "-nvvr", path).Output()
	require.NoError(t, err)
	assert.Equal(t, frames, strings.Count(string(output), "[udp sum ok]"))
	assert.NotContains(t, string(output), "bad cksum")
}
