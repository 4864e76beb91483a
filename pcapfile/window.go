package pcapfile

import "io"

// windowSize is how much a Reader reads at a time.
const windowSize = 256 << 10

// window is a view of the input that moves forward. It grows to hold what is
// asked for, but only as bytes arrive: a length in a damaged file costs
// no more memory than the file has bytes, twice over.
type window struct {
	r          io.Reader
	buf        []byte
	start, end int   // of the bytes not consumed
	offset     int64 // of start in the file
	err        error // why no more bytes come; io.EOF at the end of the input
}

// peek returns the next n bytes without consuming them, or fewer if the input
// ends before or fails. They are valid until the next peek.
func (w *window) peek(n int) []byte {
	if end := w.start + n; end <= w.end {
		return w.buf[w.start:end]
	}
	return w.fill(n)
}

func (w *window) advance(n int) {
	w.start += n
	w.offset += int64(n)
}

// skip consumes n bytes, more than the window may hold, and returns how many there were. It
// leaves offset alone, which is advanced once it is known that they were what they should be.
func (w *window) skip(n int64) (skipped int64) {
	for {
		have := min(n-skipped, int64(w.end-w.start))
		w.start += int(have)
		if skipped += have; skipped == n || len(w.fill(1)) == 0 {
			return skipped
		}
	}
}

// fill reads until n bytes are there or no more come.
func (w *window) fill(n int) []byte {
	// What is kept moves to the front, so that the reads are large.
	w.end = copy(w.buf, w.buf[w.start:w.end])
	w.start = 0
	empty := 0
	for w.end < n && w.err == nil {
		if w.end == len(w.buf) {
			grown := make([]byte, 2*len(w.buf))
			copy(grown, w.buf)
			w.buf = grown
		}
		var k int
		k, w.err = w.r.Read(w.buf[w.end:])
		if k < 0 || k > len(w.buf)-w.end {
			k, w.err = 0, io.ErrNoProgress
		}
		w.end += k
		if empty++; k > 0 {
			empty = 0
		} else if empty == 100 && w.err == nil {
			w.err = io.ErrNoProgress
		}
	}
	return w.buf[:min(n, w.end)]
}
