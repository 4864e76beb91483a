package input

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Windows bounds what the decompressors of files that are open at once keep together: each
// file may claim maxWindow for itself, and there may be any number of them. Windows up to
// smallWindow, as compressors have them that weren't told to use more, are free.
type Windows struct {
	// Wait has a file wait until others are closed, where it would be refused. It is for
	// those that hold no other.
	Wait bool

	mu    sync.Mutex
	freed *sync.Cond
	used  int64
	given bool // since memory was last cleared
}

const (
	smallWindow = 8 << 20
	allWindows  = 160 << 20
)

// take claims n bytes.
func (w *Windows) take(n int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.freed == nil {
		w.freed = sync.NewCond(&w.mu)
	}
	for w.used+n > allWindows {
		if !w.Wait {
			return fmt.Errorf("it takes %d MiB of memory, and files that are read at the same time have %d MiB: decompress some of them", n>>20, w.used>>20)
		}
		w.freed.Wait()
	}
	w.used += n
	if w.given { // else the next window may be had before the last one is missed
		w.given = false
		// What is free need not be in one piece: the kernel gets it back.
		debug.FreeOSMemory()
	}
	return nil
}

// give gives back what was taken.
func (w *Windows) give(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used -= n
	w.given = true
	w.freed.Broadcast()
}

// zstdWindow is the window that the first frame claims, in bytes: RFC 8878, section
// 3.1.1.1. A frame in a single segment has its whole content for a window.
func zstdWindow(r *bufio.Reader) int64 {
	b, _ := r.Peek(zstd.HeaderMaxSize) // the decoder will say what is wrong
	var h zstd.Header
	if h.Decode(b) != nil {
		return 0
	}
	n := h.WindowSize
	if h.SingleSegment {
		n = h.FrameContentSize
	}
	return int64(min(n, maxWindow+1))
}

// xzWindow is the dictionary that the first block claims, in bytes: the .xz file format,
// sections 3.1 and 5.3.1.
func xzWindow(r *bufio.Reader) int64 {
	const streamHeader, blockHeader, lzma2 = 12, 1024, 0x21
	b, _ := r.Peek(streamHeader + blockHeader)
	if len(b) < streamHeader+2 {
		return 0
	}
	flags := b[streamHeader+1]
	b = b[streamHeader+2:]
	number := func() (n uint64) {
		n, size := binary.Uvarint(b) // which is their encoding of integers too
		if size <= 0 {
			b = nil
			return 0
		}
		b = b[size:]
		return n
	}
	for _, present := range []byte{0x40, 0x80} { // compressed and uncompressed size
		if flags&present != 0 {
			number()
		}
	}
	for range flags&3 + 1 {
		id, size := number(), number()
		if size > uint64(len(b)) {
			return 0
		}
		if id == lzma2 && size == 1 {
			bits := b[0] & 0x3f
			if bits > 40 {
				return 0
			}
			return min(int64(2|bits&1)<<(bits/2+11), maxWindow+1)
		}
		b = b[size:]
	}
	return 0
}
