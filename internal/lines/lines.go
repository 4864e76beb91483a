package lines

import (
	"io"
	"net/netip"
	"runtime"
	"strconv"
	"sync"
	"time"

	"netcap/internal/decode"
	"netcap/pcapfile"
)

// Config says how packets are printed, and where to.
type Config struct {
	Out io.Writer
	// Decode is how each packet is printed; its names and interfaces are set by Names
	// and Interfaces.
	Decode decode.Printer
	// JSON prints an object a packet.
	JSON bool
	// Number begins each line with the packet's number.
	Number bool
	// Workers is how many goroutines decode. Default: one a processor.
	Workers int
}

// Lines prints packets. It is used by one goroutine. Close must be called.
type Lines struct {
	cfg   Config
	lot   *lot
	idle  chan *lot // those that nobody uses
	todo  chan *lot // to be decoded
	queue chan *lot // to be written, in order

	interfaces      bool
	names           map[netip.Addr]string
	first, previous time.Time // of the packets given so far

	workers sync.WaitGroup
	written chan struct{} // closed when the writer has ended

	mu  sync.Mutex
	err error // why nothing is written any more
}

// What a lot holds, and how many there are for each worker: one to be filled, one that
// is decoded, one that is written.
const (
	lotBytes   = 256 << 10
	lotPackets = 1024
	lotsEach   = 3
)

// lot is a number of packets, and then the text that they make.
type lot struct {
	packets []pcapfile.Packet
	numbers []int64
	data    []byte // of the packets
	text    []byte
	done    chan struct{} // told that the text is there

	interfaces      bool
	names           map[netip.Addr]string
	first, previous time.Time
}

// New begins to print.
func New(cfg *Config) *Lines {
	l := &Lines{cfg: *cfg, written: make(chan struct{})}
	if l.cfg.Workers == 0 {
		l.cfg.Workers = runtime.GOMAXPROCS(0)
	}
	lots := lotsEach * l.cfg.Workers
	l.idle, l.todo, l.queue = make(chan *lot, lots), make(chan *lot, lots), make(chan *lot, lots)
	for range lots {
		l.idle <- &lot{done: make(chan struct{}, 1)}
	}
	for range l.cfg.Workers {
		l.workers.Go(l.decode)
	}
	go l.write()
	l.lot = <-l.idle
	return l
}

// Print takes a packet, of which it keeps nothing. The error is why an earlier one could
// not be written.
func (l *Lines) Print(number int64, p *pcapfile.Packet) error {
	b := l.lot
	if len(b.packets) == 0 {
		b.interfaces, b.names, b.first, b.previous = l.interfaces, l.names, l.first, l.previous
	}
	start := len(b.data)
	b.data = append(b.data, p.Data...)
	b.packets = append(b.packets, *p)
	b.numbers = append(b.numbers, number)
	kept := &b.packets[len(b.packets)-1]
	kept.Data = b.data[start:len(b.data):len(b.data)] // an earlier array keeps earlier packets
	kept.Comments, kept.Options = nil, nil            // the reader's
	if p.HasTime {
		if l.first.IsZero() {
			l.first = p.Time
		}
		l.previous = p.Time
	}
	if len(b.data) >= lotBytes || len(b.packets) == lotPackets {
		return l.Flush()
	}
	return nil
}

// Interfaces has the interface of each packet printed, or not, from now on.
func (l *Lines) Interfaces(on bool) error {
	if on == l.interfaces {
		return nil
	}
	err := l.Flush()
	l.interfaces = on
	return err
}

// Names are printed for addresses from now on. The map must not change any more.
func (l *Lines) Names(names map[netip.Addr]string) error {
	err := l.Flush()
	l.names = names
	return err
}

// Flush has what was given so far printed without waiting for more.
func (l *Lines) Flush() error {
	if len(l.lot.packets) > 0 {
		l.queue <- l.lot
		l.todo <- l.lot
		l.lot = <-l.idle
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close prints the rest and returns when all is written.
func (l *Lines) Close() error {
	_ = l.Flush() // the error stays
	close(l.todo)
	close(l.queue)
	l.workers.Wait()
	<-l.written
	return l.err
}

// decode makes text of packets.
func (l *Lines) decode() {
	p := l.cfg.Decode
	for b := range l.todo {
		p.Interfaces, p.Names = b.interfaces, b.names
		p.After(b.first, b.previous)
		b.text = b.text[:0]
		for i := range b.packets {
			if l.cfg.Number {
				b.text = appendNumber(b.text, b.numbers[i])
			}
			if l.cfg.JSON {
				b.text = p.AppendJSON(b.text, &b.packets[i])
			} else {
				b.text = p.Append(b.text, &b.packets[i])
			}
			b.text = append(b.text, '\n')
		}
		b.done <- struct{}{}
	}
}

// appendNumber appends a number as tcpdump's -# does: in five columns, and two spaces.
func appendNumber(dst []byte, n int64) []byte {
	for limit := int64(10_000); limit > n && limit > 1; limit /= 10 {
		dst = append(dst, ' ')
	}
	return append(strconv.AppendInt(dst, n, 10), ' ', ' ')
}

// write writes what was decoded, in order.
func (l *Lines) write() {
	defer close(l.written)
	failed := false
	for b := range l.queue {
		<-b.done
		if !failed {
			if _, err := l.cfg.Out.Write(b.text); err != nil {
				failed = true
				l.mu.Lock()
				l.err = err
				l.mu.Unlock()
			}
		}
		b.packets, b.numbers, b.data = b.packets[:0], b.numbers[:0], b.data[:0]
		l.idle <- b
	}
}
