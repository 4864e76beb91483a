package capture_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/capture"
	"netcap/capture/capturetest"
	"netcap/internal/testenv"
)

// wire is a network on which frames are sent and captured.
type wire struct {
	open func(t *testing.T, c capture.Config) *capture.Handle
	send func(t *testing.T, frames ...[]byte)
}

// wires are the fake network and the kernel's, through a ring and without.
var wires = map[string]func(t *testing.T) wire{
	"fake":    fakeWire,
	"ring":    func(t *testing.T) wire { return vethWire(t, false) },
	"recvmsg": func(t *testing.T) wire { return vethWire(t, true) },
}

func fakeWire(*testing.T) wire {
	var i *capturetest.Interface
	return wire{
		open: func(t *testing.T, c capture.Config) *capture.Handle {
			c.Interface = "fake0"
			h, fake, err := capturetest.Open(&c, capturetest.Options{Blocks: 16})
			require.NoError(t, err)
			i = fake
			t.Cleanup(func() { assert.NoError(t, h.Close()) })
			return h
		},
		send: func(_ *testing.T, frames ...[]byte) {
			for _, f := range frames {
				i.Send(capturetest.Frame{Data: f})
			}
		},
	}
}

func vethWire(t *testing.T, noRing bool) wire {
	a, b := testenv.NewNamespace(t), testenv.NewNamespace(t)
	testenv.NewVeth(t, b, a, "b", "a") // frames go to the second
	return wire{
		open: func(t *testing.T, c capture.Config) *capture.Handle {
			c.Interface, c.NoRing = "a", noRing
			return openIn(t, a, c)
		},
		send: func(t *testing.T, frames ...[]byte) { b.Send(t, "b", frames...) },
	}
}

func openIn(t *testing.T, n *testenv.Namespace, c capture.Config) *capture.Handle {
	var h *capture.Handle
	var err error
	n.Do(func() { h, err = capture.Open(&c) })
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, h.Close()) })
	return h
}

// got is a packet kept beyond its batch.
type got struct {
	data   []byte
	length int
	packet capture.Packet
}

// drain stops a capture and returns all its packets.
func drain(t *testing.T, h *capture.Handle) (all []got) {
	require.NoError(t, h.Stop())
	for {
		batch, err := h.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, keep(t, batch)...)
	}
}

func keep(t *testing.T, batch *capture.Batch) (all []got) {
	n := batch.Len()
	var p capture.Packet
	for batch.Next(&p) {
		all = append(all, got{append([]byte(nil), p.Data...), p.Length, p})
	}
	require.NoError(t, batch.Err())
	require.Len(t, all, n)
	batch.Release()
	return all
}

// tag puts a VLAN tag into a frame.
func tag(frame []byte, tpid, tci uint16) []byte {
	out := append([]byte(nil), frame[:12]...)
	out = binary.BigEndian.AppendUint16(out, tpid)
	out = binary.BigEndian.AppendUint16(out, tci)
	return append(out, frame[12:]...)
}

func TestPackets(t *testing.T) {
	const (
		dot1q  = 0x8100
		dot1ad = 0x88a8
	)
	small, big := testenv.UDPFrame(1, 64), testenv.UDPFrame(2, 1514)
	tests := map[string]struct {
		snapLen int
		sent    [][]byte
		kept    []int // bytes of each; nil: all of it
	}{
		"whole":                 {sent: [][]byte{small, big}},
		"cut":                   {snapLen: 96, sent: [][]byte{small, big}, kept: []int{64, 96}},
		"one byte":              {snapLen: 1, sent: [][]byte{big}, kept: []int{1}},
		"VLAN 7":                {sent: [][]byte{tag(big, dot1q, 7)}},
		"priority only":         {sent: [][]byte{tag(big, dot1q, 5<<13)}},
		"TCI 0":                 {sent: [][]byte{tag(big, dot1q, 0)}},
		"802.1ad":               {sent: [][]byte{tag(small, dot1ad, 100)}},
		"QinQ":                  {sent: [][]byte{tag(tag(small, dot1q, 7), dot1ad, 100)}},
		"VLAN 7, cut behind it": {snapLen: 96, sent: [][]byte{tag(big, dot1q, 7), tag(small, dot1q, 7)}, kept: []int{96, 68}},
		"VLAN 7, cut in it":     {snapLen: 14, sent: [][]byte{tag(big, dot1q, 7)}, kept: []int{14}},
	}
	for name, open := range wires {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					h := w.open(t, capture.Config{SnapLen: test.snapLen})
					before := time.Now()
					w.send(t, test.sent...)
					packets := drain(t, h)
					require.Len(t, packets, len(test.sent))
					for i, p := range packets {
						want := test.sent[i]
						assert.Equal(t, len(want), p.length)
						if test.kept != nil {
							want = want[:test.kept[i]]
						}
						assert.Equal(t, want, p.data)
						assert.Equal(t, capture.ToHost, p.packet.Type)
						at := time.Unix(0, p.packet.Time)
						assert.False(t, at.Before(before) || at.After(time.Now()), "time stamp %v", at)
					}
					stats, err := h.Stats()
					require.NoError(t, err)
					assert.Equal(t, capture.Stats{Received: uint64(len(test.sent))}, stats)
				})
			}
		})
	}
}

// A handful of packets don't fill a block: only the time-out retires it, which here would
// come much later than Stop, and isn't waited for.
func TestStopKeepsTail(t *testing.T) {
	for name, open := range wires {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			const retire = 10 * time.Second
			h := w.open(t, capture.Config{RetireTimeout: retire})
			for seq := range uint32(7) {
				w.send(t, testenv.UDPFrame(seq, 100))
			}
			begun := time.Now()
			packets := drain(t, h)
			assert.Less(t, time.Since(begun), retire/2)
			require.Len(t, packets, 7)
			for i, p := range packets {
				seq, ok := testenv.Seq(p.data)
				assert.True(t, ok)
				assert.Equal(t, uint32(i), seq)
			}
			_, err := h.Next()
			assert.ErrorIs(t, err, io.EOF)
			w.send(t, testenv.UDPFrame(8, 100))
			_, err = h.Next()
			assert.ErrorIs(t, err, io.EOF, "after Stop nothing is accepted")
		})
	}
}

// Several rounds through the ring, with the reader keeping up: each packet
// once, in order.
func TestManyBlocks(t *testing.T) {
	const count, size = 20_000, 1514 // 30 MB: twice the ring
	for name, open := range wires {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			h := w.open(t, capture.Config{})
			var packets []got
			for seq := uint32(0); seq < count; {
				frames := make([][]byte, 0, 1000)
				for range cap(frames) {
					frames = append(frames, testenv.UDPFrame(seq, size))
					seq++
				}
				w.send(t, frames...)
				for len(packets) < int(seq) {
					batch, err := h.Next()
					require.NoError(t, err)
					packets = append(packets, keep(t, batch)...)
				}
			}
			packets = append(packets, drain(t, h)...)
			require.Len(t, packets, count)
			for i, p := range packets {
				if seq, _ := testenv.Seq(p.data); seq != uint32(i) {
					t.Fatalf("packet %d has number %d", i, seq)
				}
			}
		})
	}
}

// A reader that holds still loses packets; what it gets and what was dropped
// make up what was sent, exactly.
func TestDropsAddUp(t *testing.T) {
	const count, size = 30_000, 1514
	for name, open := range wires {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			h := w.open(t, capture.Config{RingSize: capture.MinRingSize})
			frames := make([][]byte, count)
			for i := range frames {
				frames[i] = testenv.UDPFrame(uint32(i), size)
			}
			w.send(t, frames...)
			got := len(drain(t, h))
			stats, err := h.Stats()
			require.NoError(t, err)
			assert.Equal(t, uint64(count), stats.Received)
			assert.NotZero(t, stats.Dropped)
			assert.Equal(t, uint64(count), uint64(got)+stats.Dropped)
		})
	}
}

func TestCloseEndsNext(t *testing.T) {
	for name, open := range wires {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			h := w.open(t, capture.Config{})
			w.send(t, testenv.UDPFrame(1, 64))
			batch, err := h.Next()
			require.NoError(t, err)

			closed := make(chan error)
			go func() { closed <- h.Close() }()
			require.NoError(t, <-closed)
			var p capture.Packet
			require.True(t, batch.Next(&p), "a batch on lease outlives Close")
			assert.Equal(t, testenv.UDPFrame(1, 64), p.Data)
			batch.Release()
			_, err = h.Next()
			assert.ErrorIs(t, err, net.ErrClosed)
		})
		t.Run(name+", waiting", func(t *testing.T) {
			h := open(t).open(t, capture.Config{})
			ended := make(chan error)
			go func() {
				_, err := h.Next()
				ended <- err
			}()
			time.Sleep(20 * time.Millisecond) // let it wait; right either way
			require.NoError(t, h.Close())
			assert.ErrorIs(t, <-ended, net.ErrClosed)
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]capture.Config{
		"no interface":           {},
		"negative snap length":   {Interface: "a", SnapLen: -1},
		"large snap length":      {Interface: "a", SnapLen: capture.MaxSnapLen + 1},
		"unknown direction":      {Interface: "a", Direction: 9},
		"long retire time-out":   {Interface: "a", RetireTimeout: time.Hour},
		"fraction of a time-out": {Interface: "a", RetireTimeout: time.Microsecond},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := capture.Open(&c)
			assert.Error(t, err)
		})
	}
}

func TestUnknownInterface(t *testing.T) {
	_, err := capture.Open(&capture.Config{Interface: "nonesuch0"})
	require.ErrorIs(t, err, capture.ErrNoInterface)
	assert.Contains(t, err.Error(), " lo", "it lists those there are")
}

func TestNoAllocations(t *testing.T) {
	h, i, err := capturetest.Open(nil, capturetest.Options{})
	require.NoError(t, err)
	defer h.Close()
	for seq := range uint32(800) {
		i.Send(capturetest.Frame{Data: tag(testenv.UDPFrame(seq, 512), 0x8100, 7)})
	}
	i.Retire()
	batch, err := h.Next()
	require.NoError(t, err)
	require.Equal(t, 800, batch.Len())
	var p capture.Packet
	assert.Zero(t, testing.AllocsPerRun(500, func() {
		if !batch.Next(&p) {
			t.Fatal("too few packets")
		}
	}))
	batch.Release()
}

func BenchmarkRing(b *testing.B) {
	for name, size := range map[string]int{"64": 64, "512": 512, "1514": 1514} {
		b.Run(name, func(b *testing.B) {
			h, i, err := capturetest.Open(nil, capturetest.Options{})
			require.NoError(b, err)
			defer h.Close()
			frame := capturetest.Frame{Data: testenv.UDPFrame(0, size), Time: 1}
			var p capture.Packet
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for n := 0; n < b.N; {
				b.StopTimer()
				for range 500 {
					i.Send(frame)
				}
				i.Retire()
				b.StartTimer()
				batch, err := h.Next()
				require.NoError(b, err)
				for batch.Next(&p) {
					n++
				}
				batch.Release()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
		})
	}
}
