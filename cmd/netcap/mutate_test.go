package main

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// mutation damages a capture. It may change b, and returns what it made of it; other is
// another capture.
type mutation struct {
	name string
	do   func(r *rand.Rand, b, other []byte) []byte
}

// mutations are what the bytes of hostile files went through.
var mutations = []mutation{
	{"bits", flipBits},
	{"lengths", blowUp},
	{"torn", func(r *rand.Rand, b, _ []byte) []byte { return b[:r.IntN(len(b)+1)] }},
	{"order", reorder},
	{"twice", repeatPart},
	{"spliced", func(r *rand.Rand, b, other []byte) []byte {
		return append(b[:r.IntN(len(b)+1)], other[r.IntN(len(other)+1):]...)
	}},
}

// flipBits flips up to 32 bits, most of them near the beginning, where headers are.
func flipBits(r *rand.Rand, b, _ []byte) []byte {
	for range 1 + r.IntN(32) {
		within := len(b)
		if r.IntN(2) == 0 {
			within = min(within, 256)
		}
		if within > 0 {
			b[r.IntN(within)] ^= 1 << r.IntN(8)
		}
	}
	return b
}

// blowUp gives up to four fields of 16 or 32 bits values that lengths shouldn't have.
func blowUp(r *rand.Rand, b, _ []byte) []byte {
	values := []uint32{0, 1, 3, 4, 11, 12, 0x7fff, 0x8000, 0xffff, 0x10_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_ffff}
	starts := blocks(b)
	for range 1 + r.IntN(4) {
		at := 4 * r.IntN(len(b)/4+1)
		if len(starts) > 0 && r.IntN(2) == 0 { // in the header of a record
			at = starts[r.IntN(len(starts))] + 4*r.IntN(7)
		}
		if at+4 > len(b) {
			continue
		}
		value := values[r.IntN(len(values))]
		switch r.IntN(3) {
		case 0:
			binary.LittleEndian.PutUint32(b[at:], value)
		case 1:
			binary.BigEndian.PutUint32(b[at:], value)
		default:
			binary.LittleEndian.PutUint16(b[at+2*r.IntN(2):], uint16(value))
		}
	}
	return b
}

// reorder exchanges records or blocks, the first included at times.
func reorder(r *rand.Rand, b, _ []byte) []byte {
	starts := blocks(b)
	if len(starts) < 2 {
		return b
	}
	first := 1
	if r.IntN(4) == 0 {
		first = 0
	}
	var pieces [][]byte
	for n, start := range starts {
		end := len(b)
		if n+1 < len(starts) {
			end = starts[n+1]
		}
		pieces = append(pieces, b[start:end])
	}
	some := pieces[first:]
	r.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	return slices.Concat(append([][]byte{b[:starts[0]]}, pieces...)...)
}

// repeatPart has a section, or another part, of the file in it twice.
func repeatPart(r *rand.Rand, b, _ []byte) []byte {
	from, to := 0, len(b)
	if starts := blocks(b); len(starts) > 0 && r.IntN(2) == 0 {
		from = starts[r.IntN(len(starts))]
		to = from + r.IntN(len(b)-from+1)
	}
	return slices.Concat(b, b[from:to])
}

// blocks are the offsets of the records of a pcap file, or of the blocks of a pcapng file,
// as far as their lengths make sense.
func blocks(b []byte) (starts []int) {
	if len(b) < 24 {
		return nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	pcapng := binary.LittleEndian.Uint32(b) == 0x0a0d0d0a
	switch {
	case pcapng && b[8] == 0x1a, !pcapng && b[0] == 0xa1:
		order = binary.BigEndian
	}
	at := 24
	if pcapng {
		at = 0
	}
	for at+16 <= len(b) {
		starts = append(starts, at)
		size := 16 + int(order.Uint32(b[at+8:]))
		if pcapng {
			size = int(order.Uint32(b[at+4:]))
		}
		if size < 12 || size > len(b)-at {
			break
		}
		at += size
	}
	return starts
}
