package capture_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/capture"
	"netcap/internal/testenv"
)

// flowFrames are frames of several flows, which differ in the source port: numbers from
// first on, flow by flow in turn. Every second flow is in a VLAN.
func flowFrames(first uint32, flows, each int) (frames [][]byte) {
	for i := range flows * each {
		flow := i % flows
		f := testenv.UDPFrame(first+uint32(i), 300)
		binary.BigEndian.PutUint16(f[34:], uint16(1000+flow))
		if flow%2 == 1 {
			f = append(append(append([]byte(nil), f[:12]...), 0x81, 0, 0, byte(flow)), f[12:]...)
		}
		frames = append(frames, f)
	}
	return frames
}

// unflow is a frame as testenv.UDPFrame made it, and the flow that flowFrames gave it.
func unflow(f []byte) (frame []byte, flow int) {
	if f[12] == 0x81 {
		f = append(append([]byte(nil), f[:12]...), f[16:]...)
	}
	flow = int(binary.BigEndian.Uint16(f[34:])) - 1000
	binary.BigEndian.PutUint16(f[34:], 49152)
	return f, flow
}

// TestOpenGroup shares a flood out: each packet is received once, those of a flow in one
// ring and in order, and more than one ring has some.
func TestOpenGroup(t *testing.T) {
	const flows, each, senders = 32, 300, 2
	for _, threads := range []int{2, 4} {
		for _, noRing := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d threads, no ring %v", threads, noRing), func(t *testing.T) {
				a, b := pair(t)
				var group []*capture.Handle
				var err error
				a.Do(func() {
					group, err = capture.OpenGroup(&capture.Config{Interface: "a", NoRing: noRing, RetireTimeout: 10 * time.Millisecond}, threads)
				})
				require.NoError(t, err)
				require.Len(t, group, threads)

				rings := make([][]got, threads)
				var readers, floods sync.WaitGroup
				for i, h := range group {
					readers.Go(func() {
						for {
							batch, err := h.Next()
							if errors.Is(err, io.EOF) {
								return
							}
							if !assert.NoError(t, err) {
								return
							}
							rings[i] = append(rings[i], keep(t, batch)...)
						}
					})
				}
				for s := range senders {
					floods.Go(func() { b.Send(t, "b", flowFrames(uint32(s*flows*each), flows, each)...) })
				}
				floods.Wait()
				// What was sent is received by now: a veth pair has no queue of its own.
				for _, h := range group {
					require.NoError(t, h.Stop())
				}
				readers.Wait()

				seen := make(map[uint32]bool)
				ring := make(map[int]int)       // of a flow
				last := make(map[[2]int]uint32) // of a flow and sender
				busy := 0
				for i, packets := range rings {
					stats, err := group[i].Stats()
					require.NoError(t, err)
					assert.EqualValues(t, len(packets), stats.Received)
					assert.Zero(t, stats.Dropped)
					busy += min(len(packets), 1)
					for _, p := range packets {
						f, flow := unflow(p.data)
						seq, ok := testenv.Seq(f)
						require.True(t, ok)
						require.False(t, seen[seq], "packet %d is there twice", seq)
						seen[seq] = true
						before, known := ring[flow]
						require.True(t, !known || before == i, "flow %d is in rings %d and %d", flow, before, i)
						ring[flow] = i
						key := [2]int{flow, int(seq) / (flows * each)}
						require.True(t, last[key] == 0 || last[key] < seq, "packet %d comes behind %d", seq, last[key])
						last[key] = seq
					}
				}
				assert.Len(t, seen, senders*flows*each)
				assert.Greater(t, busy, 1, "rings with packets")
				for _, h := range group {
					require.NoError(t, h.Close())
				}
			})
		}
	}
}

// TestGroupFilter has each of a group's rings filter.
func TestGroupFilter(t *testing.T) {
	a, b := pair(t)
	var group []*capture.Handle
	var err error
	a.Do(func() { group, err = capture.OpenGroup(&capture.Config{Interface: "a", Direction: capture.Out}, 3) })
	require.NoError(t, err)
	b.Send(t, "b", flowFrames(0, 8, 10)...)
	a.Send(t, "a", flowFrames(80, 8, 10)...)
	n := 0
	for _, h := range group {
		for _, p := range drain(t, h) {
			assert.Equal(t, capture.Outgoing, p.packet.Type)
			n++
		}
		require.NoError(t, h.Close())
	}
	assert.Equal(t, 80, n)
}

func TestGroupSize(t *testing.T) {
	for _, n := range []int{0, -1, capture.MaxThreads + 1} {
		_, err := capture.OpenGroup(&capture.Config{Interface: "lo"}, n)
		assert.ErrorContains(t, err, "not between 1 and 256")
	}
}
