//go:build linux

package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"netcap/pcapfile"
)

// Offsets in an Ethernet frame with an IPv4 header without options.
const (
	ipLength   = 16
	ipID       = 18
	ipSource   = 26
	ipTarget   = 30
	tcpSource  = 34
	tcpTarget  = 36
	tcpSeq     = 38
	tcpOffset  = 46
	tcpFlags   = 47
	ethernet   = 14
	pushOrFIN  = 0x09
	maxSegment = 1448 // of a link with an MTU of 1500 and TCP timestamps
)

// packet is a packet of a connection.
type packet struct {
	at         int64 // nanoseconds since the connection's first
	data       []byte
	fromClient bool
}

// read returns the packets of a connection.
func read(path string) (packets []packet, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := pcapfile.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var first time.Time
	var client uint16
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return packets, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(p.Data) < tcpFlags+7 || p.Data[12] != 8 || p.Data[14] != 0x45 || p.Data[23] != 6 {
			continue
		}
		source := binary.BigEndian.Uint16(p.Data[tcpSource:])
		if len(packets) == 0 {
			first, client = p.Time, source
		}
		packets = append(packets, packet{pcapfile.UnixNano(p.Time) - pcapfile.UnixNano(first), append([]byte(nil), p.Data...), source == client})
	}
}

// split cuts segments into such as cross a network.
func split(packets []packet) (all []packet) {
	for _, p := range packets {
		header := tcpSource + int(p.data[tcpOffset]>>4)*4
		payload := p.data[header:]
		for done := 0; ; done += maxSegment {
			part := payload[min(done, len(payload)):min(done+maxSegment, len(payload))]
			b := append(append([]byte(nil), p.data[:header]...), part...)
			binary.BigEndian.PutUint16(b[ipLength:], uint16(len(b)-ethernet))
			binary.BigEndian.PutUint16(b[ipID:], binary.BigEndian.Uint16(b[ipID:])+uint16(done/maxSegment))
			binary.BigEndian.PutUint32(b[tcpSeq:], binary.BigEndian.Uint32(b[tcpSeq:])+uint32(done))
			last := done+maxSegment >= len(payload)
			if !last {
				b[tcpFlags] &^= pushOrFIN
			}
			all = append(all, packet{p.at + int64(done/maxSegment), b, p.fromClient})
			if last {
				break
			}
		}
	}
	return all
}

// writer writes packets as if they were of other clients.
type writer struct {
	f       *os.File
	w       *bufio.Writer
	buf     []byte
	written int64
}

func create(path string) (*writer, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	w := &writer{f: f, w: bufio.NewWriterSize(f, 1<<20)}
	return w, w.flush(pcapfile.AppendFileHeader(w.buf, pcapfile.LinkTypeEthernet, 262144, true))
}

func (w *writer) flush(b []byte) error {
	w.buf = b[:0]
	w.written += int64(len(b))
	_, err := w.w.Write(b)
	return err
}

// add writes a packet of a client, at a time in nanoseconds since the epoch.
func (w *writer) add(p packet, at int64, client int) error {
	address, port := ipTarget, tcpTarget
	if p.fromClient {
		address, port = ipSource, tcpSource
	}
	copy(p.data[address:], []byte{10, byte(client / ports >> 8), byte(client / ports), 1})
	binary.BigEndian.PutUint16(p.data[port:], firstPort+uint16(client%ports))
	return w.flush(pcapfile.AppendRecord(w.buf, at, p.data, uint32(len(p.data)), true))
}

func (w *writer) close() error { return errors.Join(w.w.Flush(), w.f.Close()) }

// Clients have these ports, and then other addresses.
const (
	firstPort = 20000
	ports     = 20000
)

// begun is when captures begin, in nanoseconds since the epoch.
const begun = int64(1_700_000_000_000_000_000)

// repeat writes the association one time after the other, until there are so many bytes.
func repeat(path string, packets []packet, size int64) error {
	w, err := create(path)
	if err != nil {
		return err
	}
	now := begun
	for n := 0; w.written < size; n++ {
		for _, p := range packets {
			if err := w.add(p, now+p.at, n); err != nil {
				return err
			}
		}
		now += packets[len(packets)-1].at + int64(time.Millisecond)
	}
	return w.close()
}

// together writes the beginning of so many associations, all at once: they have negotiated,
// and a C-STORE is under way.
func together(path string, packets []packet, count int) error {
	w, err := create(path)
	if err != nil {
		return err
	}
	const most = 40 // packets of each
	for n, p := range packets[:min(most, len(packets))] {
		for client := range count {
			if err := w.add(p, begun+int64(n*count+client)*1000, client); err != nil {
				return err
			}
		}
	}
	return w.close()
}
