package input

import (
	"io"
)

// Chunks read ahead, and how large they are: one is being filled and one being used,
// the others even out that some take longer.
const (
	aheadChunks = 4
	aheadSize   = 256 << 10
)

// ahead reads from r in a goroutine of its own, so that decompressing and what is done
// with the result take a processor each. It begins to with the second Read: who wants a
// file's first packet only, causes no more.
type ahead struct {
	r     io.Reader
	first bool // the first Read was made

	full chan chunk  // room for all chunks: the goroutine waits for free ones only
	free chan []byte // likewise
	stop chan struct{}
	done chan struct{} // closed when the goroutine has ended; nil before it began

	now  chunk
	rest []byte // of now, not read yet
}

type chunk struct {
	buf []byte
	n   int
	err error
}

func newAhead(r io.Reader) *ahead { return &ahead{r: r} }

// Read implements io.Reader. It returns what is there, and waits only if nothing is.
func (a *ahead) Read(b []byte) (int, error) {
	if !a.first {
		a.first = true
		return a.r.Read(b)
	}
	if a.done == nil {
		a.start()
	}
	for len(a.rest) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.buf != nil {
			a.free <- a.now.buf
		}
		a.now = <-a.full
		a.rest = a.now.buf[:a.now.n]
	}
	n := copy(b, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

func (a *ahead) start() {
	a.full, a.free = make(chan chunk, aheadChunks), make(chan []byte, aheadChunks)
	a.stop, a.done = make(chan struct{}), make(chan struct{})
	for range aheadChunks {
		a.free <- make([]byte, aheadSize)
	}
	go a.run()
}

func (a *ahead) run() {
	defer close(a.done)
	for {
		var buf []byte
		select {
		case buf = <-a.free:
		case <-a.stop:
			return
		}
		n, err := a.r.Read(buf)
		a.full <- chunk{buf, n, err}
		if err != nil {
			return
		}
	}
}

// close ends the goroutine and waits for it, unless its Read may never return.
func (a *ahead) close(wait bool) {
	if a.done == nil {
		return
	}
	close(a.stop)
	if wait {
		<-a.done
	}
}
