package scrub

import "netcap/internal/tcp"

// How far back in a stream, and how many bytes of it, it is known what was kept. Nothing is
// sent again that is farther back than a window, and windows are rarely so large.
const (
	history  = 8 << 20
	maxKept  = 128 << 10
	maxRun   = 4 << 10
	lowKept  = 4 << 10  // once all streams together
	allKepts = 48 << 20 // keep so much
)

// memory counts what all streams remember, in bytes.
type memory struct{ used int }

// kept remembers what of a stream is to be kept, by sequence number.
type kept struct {
	memory *memory
	bytes  []byte
	runs   []run // in the order of the stream
}

// run is a part of the stream: n of the bytes, from at on.
type run struct {
	seq   uint32
	at, n int
}

// add remembers bytes behind all others.
func (k *kept) add(seq uint32, b []byte) {
	for len(b) > 0 {
		part := b[:min(len(b), maxRun)]
		k.append(seq, part)
		b, seq = b[len(part):], seq+uint32(len(part))
	}
}

func (k *kept) append(seq uint32, b []byte) {
	most := maxKept
	if k.memory.used > allKepts {
		most = lowKept
	}
	if len(k.bytes)+len(b) > most || len(k.runs) > 0 && tcp.Distance(seq, k.runs[0].seq) > 2*history {
		k.forget(seq, most/2)
	}
	if n := len(k.runs); n > 0 && k.runs[n-1].n+len(b) <= maxRun && k.runs[n-1].seq+uint32(k.runs[n-1].n) == seq {
		k.runs[n-1].n += len(b)
	} else {
		k.runs = append(k.runs, run{seq, len(k.bytes), len(b)})
	}
	k.bytes = append(k.bytes, b...)
	k.memory.used += len(b)
}

// forget forgets what is long before seq, and more if more than so many bytes remain.
func (k *kept) forget(seq uint32, most int) {
	n := 0
	for n < len(k.runs) && (len(k.bytes)-k.runs[n].at > most || tcp.Distance(seq, k.runs[n].seq) > history) {
		n++
	}
	gone := len(k.bytes)
	if n < len(k.runs) {
		gone = k.runs[n].at
	}
	k.bytes = append([]byte(nil), k.bytes[gone:]...)
	k.runs = append([]run(nil), k.runs[n:]...)
	for i := range k.runs {
		k.runs[i].at -= gone
	}
	k.memory.used -= gone
}

// restore puts those bytes of src into dst that are to be kept, which are those that were
// remembered, and returns how many there are. Both begin at a sequence number; dst is
// zeros.
func (k *kept) restore(seq uint32, dst, src []byte) (n int) {
	for i := len(k.runs) - 1; i >= 0; i-- {
		r := k.runs[i]
		begin := tcp.Distance(r.seq, seq)
		if begin+r.n <= 0 {
			break
		}
		for j := max(begin, 0); j < min(begin+r.n, len(dst)); j++ {
			if b := k.bytes[r.at+j-begin]; b == src[j] {
				dst[j] = b
				n++
			}
		}
	}
	return n
}
