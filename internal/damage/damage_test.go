package damage_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/damage"
	"netcap/internal/testenv"
	"netcap/pcapfile"
)

// kind is how a capture is written.
type kind struct {
	format pcapfile.Format
	order  byteOrder
	magic  uint32 // of pcap
}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// kinds are all formats, byte orders and units of time.
func kinds() (all []kind) {
	for _, order := range []byteOrder{binary.LittleEndian, binary.BigEndian} {
		all = append(all, kind{pcapfile.PCAPNG, order, 0})
		for _, magic := range []uint32{0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34} {
			all = append(all, kind{pcapfile.PCAP, order, magic})
		}
	}
	return all
}

func (k kind) String() string { return fmt.Sprintf("%v %v %x", k.format, k.order, k.magic) }

// capture is one as pcap-savefile(5) and the pcapng draft describe it, with packets of random
// bytes, and where each of their records begins, the end last.
func (k kind) capture(r *rand.Rand, packets int) (b []byte, starts []int) {
	u32 := func(v ...uint32) {
		for _, n := range v {
			b = k.order.AppendUint32(b, n)
		}
	}
	if k.format == pcapfile.PCAPNG {
		u32(0x0a0d0d0a, 28, 0x1a2b3c4d)
		b = k.order.AppendUint16(b, 1)
		b = k.order.AppendUint16(b, 0)
		u32(0xffffffff, 0xffffffff, 28)
		u32(1, 20)
		b = k.order.AppendUint16(b, 1)
		b = k.order.AppendUint16(b, 0)
		u32(65535, 20)
	} else {
		u32(k.magic)
		b = k.order.AppendUint16(b, 2)
		b = k.order.AppendUint16(b, 4)
		u32(0, 0, 65535, 1)
	}
	sec := uint32(1_790_000_000)
	for range packets {
		starts = append(starts, len(b))
		sec += r.Uint32N(100)
		n := 1 + r.IntN(300)
		data := make([]byte, n)
		for i := range data {
			if data[i] = byte(r.Uint32()); r.IntN(3) == 0 {
				data[i] = 0
			}
		}
		if k.format == pcapfile.PCAP {
			u32(sec, r.Uint32N(1e6), uint32(n), uint32(n))
			if k.magic == 0xa1b2cd34 {
				u32(1, 0x0800)
			}
			b = append(b, data...)
			continue
		}
		micro := uint64(sec) * 1e6
		size := uint32(32 + (n+3)&^3)
		u32(6, size, 0, uint32(micro>>32), uint32(micro), uint32(n), uint32(n))
		b = append(b, data...)
		b = append(b, make([]byte, -n&3)...)
		u32(size)
	}
	return b, append(starts, len(b))
}

// header is how much of a record has to be right for it to be one.
func (k kind) header() int {
	if k.format == pcapfile.PCAPNG {
		return 28
	}
	return 16
}

// readable reports whether a record that was perhaps overwritten with zeros can't be told from one
// that is as it was written: its lengths are what they were, and its time is near to what it was.
// What is in its data, and in fields that nobody
// reads, nobody can tell.
func (k kind) readable(b, holed []byte, start, end int) bool {
	same := func(from, to int) bool { return bytes.Equal(b[from:to], holed[from:to]) }
	if k.format == pcapfile.PCAPNG {
		return same(start, start+12) && same(start+20, start+24) && same(end-4, end)
	}
	if !same(start+8, start+16) {
		return false
	}
	if k.order.Uint32(holed[start+4:]) >= 1e6 && k.magic != 0xa1b23c4d {
		return false
	}
	sec := int64(k.order.Uint32(holed[start:]))
	was := int64(k.order.Uint32(b[start:]))
	const near = 30 * 24 * 3600
	return max(sec-was, was-sec) < near
}

func judge(t testing.TB, b []byte) *damage.Judgement {
	t.Helper()
	j, err := damage.Judge(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	return j
}

// TestKinds damages captures of all kinds in all ways, by seeds: what is whole before and
// behind the damage is counted, and found where it is.
func TestKinds(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.String(), func(t *testing.T) {
			for seed := range uint64(60) {
				r := rand.New(rand.NewPCG(seed, 1))
				const packets = 40
				b, starts := k.capture(r, packets)
				at := 5 + r.IntN(packets-10) // the record that is damaged
				start, size := starts[at], starts[at+1]-starts[at]
				what := func(s string) string { return fmt.Sprintf("seed %d: %s, record %d at %d", seed, s, at, start) }

				// Zeros, as of a disk sector, from within a record on.
				holed := bytes.Clone(b)
				from := start + r.IntN(k.header())
				to := from + 512
				clear(holed[from:min(to, len(holed))])
				whole, before := int64(0), int64(0) // packets that nothing tells from whole ones
				for i := range packets {
					if !k.readable(b, holed, starts[i], starts[i+1]) {
						continue
					}
					if whole++; i <= at {
						before++
					}
				}
				j := judge(t, holed)
				require.Equal(t, whole, j.Packets+j.Following, what("zeros"))
				require.Equal(t, before, j.Packets, what("zeros"))

				// A length that leads nowhere.
				wrong := bytes.Clone(b)
				field := 8
				if k.format == pcapfile.PCAPNG {
					field = 4
				}
				for _, n := range []uint32{0x7fffffff, 200_000, 100_000_000} {
					k.order.PutUint32(wrong[start+field:], n)
					j = judge(t, wrong)
					require.Equal(t, int64(at), j.Packets, what("length"))
					require.Equal(t, int64(packets-at-1), j.Following, what("length"))
					require.EqualValues(t, starts[at+1], j.At, what("length"))
					require.Equal(t, k.format, j.Format)
					require.Equal(t, k.order == byteOrder(binary.BigEndian), j.BigEndian)
				}

				// Bytes that are missing, or too many, in the data of a record.
				cut := start + size - 1 - r.IntN(min(size-k.header()-1, 3)+1)
				missing := append(bytes.Clone(b[:cut]), b[starts[at+1]:]...)
				j = judge(t, missing)
				require.EqualValues(t, packets-1, j.Packets+j.Following, what("missing"))
				require.EqualValues(t, at, j.Packets, what("missing"))
				require.EqualValues(t, cut, j.At, what("missing"))
				more := append(append(bytes.Clone(b[:cut]), "much more"...), b[cut:]...)
				j = judge(t, more)
				// In pcap only what follows shows that the data of this one are not its own; a
				// block says its length at its end too.
				told := int64(0)
				if k.format == pcapfile.PCAPNG {
					told = 1
				}
				require.EqualValues(t, packets-told, j.Packets+j.Following, what("more"))
				require.EqualValues(t, int64(at)+1-told, j.Packets, what("more"))

				// A tail that is torn, or of zeros.
				j = judge(t, b[:start+1+r.IntN(size-1)])
				require.EqualValues(t, at, j.Packets, what("torn"))
				require.EqualValues(t, start, j.End, what("torn"))
				require.Zero(t, j.Following, what("torn"))
				require.Error(t, j.Reason)
				j = judge(t, append(bytes.Clone(b), make([]byte, 100+r.IntN(10_000))...))
				require.EqualValues(t, packets, j.Packets, what("zero tail"))
				require.Zero(t, j.Following, what("zero tail"))
				require.ErrorContains(t, j.Reason, "zeros stand where")
			}
		})
	}
}

// TestAnother puts a capture of each kind behind one of each other, whole or torn at any byte.
func TestAnother(t *testing.T) {
	for _, first := range kinds() {
		for _, second := range kinds() {
			for seed := range uint64(12) {
				r := rand.New(rand.NewPCG(seed, 2))
				const packets = 20
				b, starts := first.capture(r, packets)
				other, _ := second.capture(r, 30)
				what := fmt.Sprintf("%v, %v, seed %d", first, second, seed)
				j := judge(t, append(bytes.Clone(b), other...))
				if first.format == pcapfile.PCAPNG && second.format == pcapfile.PCAPNG {
					require.NoError(t, j.Reason, what) // sections may follow one another
					require.EqualValues(t, 50, j.Packets)
				} else {
					require.ErrorContains(t, j.Reason, fmt.Sprintf("another capture begins at %d", len(b)), what)
					require.EqualValues(t, packets, j.Packets, what)
					require.EqualValues(t, 30, j.Following, what)
					require.EqualValues(t, len(b), j.At, what)
				}
				require.LessOrEqual(t, j.Captures, int64(1))

				at := r.IntN(packets)
				tear := starts[at] + 1 + r.IntN(starts[at+1]-starts[at]-1)
				j = judge(t, append(bytes.Clone(b[:tear]), other...))
				require.EqualValues(t, at, j.Packets, what)
				require.EqualValues(t, 30, j.Following, what)
				require.EqualValues(t, tear, j.At, what)
				require.Equal(t, second.format, j.Format, what)
				require.EqualValues(t, starts[at], j.End, what)
				require.EqualValues(t, 1, j.Captures, what)
			}
		}
	}
}

// TestParts holds that parts are whole, apart and in order, whatever the file, and that the
// first is what can be read of it by itself.
func TestParts(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 3))
		all := kinds()
		var b []byte
		for range 1 + r.IntN(4) {
			one, _ := all[r.IntN(len(all))].capture(r, 1+r.IntN(30))
			b = append(b, one[:len(one)-r.IntN(20)]...)
			b = append(b, make([]byte, max(0, r.IntN(2000)-1500))...)
		}
		for range r.IntN(6) {
			b[24+r.IntN(len(b)-24)] = byte(r.Uint32())
		}
		w := damage.NewWalk(bytes.NewReader(b), int64(len(b)))
		end := int64(0)
		for n := 0; ; n++ {
			p, err := w.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, "seed %d", seed)
			require.GreaterOrEqual(t, p.Offset, end, "seed %d", seed)
			require.True(t, p.End > p.Offset && p.End <= int64(len(b)), "seed %d: %d to %d", seed, p.Offset, p.End)
			end = p.End
			if p.Begins || p.Format == pcapfile.PCAP {
				in, err := w.Open(p)
				require.NoError(t, err, "seed %d", seed)
				packets := int64(0)
				for _, err = in.Next(); err == nil; _, err = in.Next() {
					packets++
				}
				require.Equal(t, io.EOF, err, "seed %d", seed)
				require.Equal(t, p.Packets, packets, "seed %d", seed)
			}
		}
	}
}

// TestUndescribed counts the packets of interfaces whose description is lost: they are whole,
// and nobody can read them.
func TestUndescribed(t *testing.T) {
	b := pcapfile.AppendSection(nil, &pcapfile.Section{})
	at := len(b)
	b = pcapfile.AppendInterface(b, &pcapfile.Interface{LinkType: pcapfile.LinkTypeEthernet})
	behind := len(b)
	for i := range 10 {
		b = pcapfile.AppendPacket(b, 0, int64(i), []byte("data"), 4, 0)
	}
	clear(b[at:behind])
	j := judge(t, b)
	assert.Zero(t, j.Packets)
	assert.EqualValues(t, 10, j.Following)
	assert.EqualValues(t, behind, j.At)
}

// adversarial are captures whose beginning is whole, followed by what is dear to judge: zeros,
// random bytes, and what looks most like packets that are none. size is in bytes.
func adversarial(size int) map[string][]byte {
	head, _ := kinds()[1].capture(rand.New(rand.NewPCG(1, 1)), 5)
	random := make([]byte, size)
	source := rand.NewChaCha8([32]byte{})
	source.Read(random) //nolint:errcheck // never fails
	all := map[string][]byte{
		"zeros": make([]byte, size), "random": random,
		"headers":  bytes.Repeat(head[:24], size/24),
		"sections": bytes.Repeat([]byte("\n\r\r\n\x1c\x00\x00\x00\x4d\x3c\x2b\x1a\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x1c\x00\x00\x00"), size/28),
		"lengths":  bytes.Repeat([]byte{0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 1}, size/17),
	}
	for name, tail := range all {
		all[name] = append(bytes.Clone(head), tail...)
	}
	return all
}

// countedReader counts the bytes that are read of a file.
type countedReader struct {
	io.ReaderAt
	read int64
}

func (r *countedReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(p, off)
	r.read += int64(n)
	return n, err
}

// TestLinear holds that the work grows with the file and no faster: a file eight times as large
// has at most some eight times as much read of it.
func TestLinear(t *testing.T) {
	read := func(size int) map[string]int64 {
		out := map[string]int64{}
		for name, b := range adversarial(size) {
			r := &countedReader{ReaderAt: bytes.NewReader(b)}
			_, err := damage.Judge(r, int64(len(b)))
			require.NoError(t, err, name)
			out[name] = r.read
		}
		return out
	}
	small, large := read(256<<10), read(2<<20)
	for name := range small {
		assert.LessOrEqual(t, large[name], 10*small[name], "%s: %d bytes are read of 256 KiB, and %d of 2 MiB", name, small[name], large[name])
	}
}

func BenchmarkJudge(b *testing.B) {
	for name, content := range adversarial(16 << 20) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				if _, err := damage.Judge(bytes.NewReader(content), int64(len(content))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestBugs judges files of public bug reports by what is expected of them.
func TestBugs(t *testing.T) {
	for name, want := range map[string]damage.Judgement{
		"repair-bad-length-middle.pcap":   {Packets: 25, End: 3274, Following: 24, At: 3417, Format: pcapfile.PCAP},
		"repair-cat-pcap.pcap":            {Packets: 50, End: 6749, Following: 50, At: 6749, Format: pcapfile.PCAP, Captures: 1},
		"repair-length-beyond-eof.pcap":   {Packets: 25, End: 3274, Following: 24, At: 3417, Format: pcapfile.PCAP},
		"repair-torn-then-pcap.pcap":      {Packets: 49, End: 6622, Following: 50, At: 6712, Format: pcapfile.PCAP, Captures: 1},
		"repair-torn-then-section.pcapng": {Packets: 49, End: 7504, Following: 50, At: 7611, Format: pcapfile.PCAPNG, Captures: 1},
		"repair-zeroed-sector.pcap":       {Packets: 103, End: 78098, Following: 196, At: 78856, Format: pcapfile.PCAP},
		"zero-tail.pcap":                  {Packets: 50, End: 6749},
		"section-v2-in-middle.pcapng":     {Packets: 2, End: 1468},
	} {
		b, err := os.ReadFile(filepath.Join(testenv.Corpus(t), "bugs", name))
		require.NoError(t, err)
		got := judge(t, b)
		assert.Equal(t, name == "section-v2-in-middle.pcapng", got.Reason == nil, name)
		got.Reason = nil
		assert.Equal(t, want, *got, name)
	}
}

// TestClock holds that packets are believed whose times are far from those before: they stand
// where a reader finds them, and damage behind them doesn't change that.
func TestClock(t *testing.T) {
	b := pcapfile.AppendFileHeader(nil, pcapfile.LinkTypeEthernet, 65535, true)
	for i := range 30 {
		at := time.Duration(i) * time.Second
		if i >= 25 {
			at += 50 * 365 * 24 * time.Hour
		}
		b = pcapfile.AppendRecord(b, int64(at)+1, []byte("some data"), 9, true)
	}
	j := judge(t, append(b, "this is no record of a packet"...))
	assert.EqualValues(t, 30, j.Packets)
	assert.EqualValues(t, len(b), j.End)
	assert.Zero(t, j.Following)
}
