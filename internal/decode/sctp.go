package decode

import (
	"encoding/binary"

	"github.com/gopacket/gopacket/layers"
)

// sctpNames are the types of chunks, RFC 9260 section 3.2.
var sctpNames = []string{
	"DATA", "INIT", "INIT ACK", "SACK", "HB REQ", "HB ACK", "ABORT", "SHUTDOWN", "SHUTDOWN ACK", "OP ERR", "COOKIE ECHO",
	"COOKIE ACK", "ECN ECHO", "CWR", "SHUTDOWN COMPLETE", "AUTH",
}

// sctpPayloads are payload protocol identifiers, from the IANA registry.
var sctpPayloads = []string{"", "IUA", "M2UA", "M3UA", "SUA", "M2PA", "V5UA", "H.248", "BICC/Q.2150.3", "TALI"}

// Chunks that have more than a name.
const (
	sctpData     = 0
	sctpInit     = 1
	sctpInitAck  = 2
	sctpSack     = 3
	sctpRelReq   = 0xa1
	sctpRelAck   = 0xa2
	sctpShutdown = 7
)

// maxChunks bounds the chunks that are printed of a packet.
const maxChunks = 16

// sctpChannel is the channel of RFC 5811 that a port is, if it is one.
func sctpChannel(port uint16) string {
	switch port {
	case 6704:
		return "[ForCES HP]"
	case 6705:
		return "[ForCES MP]"
	case 6706:
		return "[ForCES LP]"
	}
	return ""
}

func (p *Printer) sctp(d *datagram, v view) {
	p.protocol = "sctp"
	if !p.portsOf(d, v) || len(v.data) < 12 {
		p.cut(protocolNames[layers.IPProtocolSCTP])
		return
	}
	src, dst := binary.BigEndian.Uint16(v.data), binary.BigEndian.Uint16(v.data[2:])
	p.word("sctp")
	if channel := sctpChannel(src); channel != "" {
		p.text(channel)
	} else {
		p.text(sctpChannel(dst))
	}
	v = v.after(12)
	for n := 1; len(v.data) >= 4; n++ {
		if n > 1 {
			p.text(", ")
		} else {
			p.text(" ")
		}
		if n > maxChunks {
			p.text("…")
			return
		}
		kind, flags, size := v.data[0], v.data[1], int(binary.BigEndian.Uint16(v.data[2:]))
		if size < 4 || size > v.length {
			p.text("(").int(int64(n)).text(") [").chunkName(kind).text("] [bad chunk length ").int(int64(size)).text("]")
			return
		}
		p.text("(").int(int64(n)).text(") [").chunkName(kind).text("] ")
		p.chunk(kind, flags, v.first(size).after(4).data)
		v = v.after((size + 3) &^ 3)
	}
}

func (p *Printer) chunkName(kind uint8) *Printer {
	switch kind {
	case sctpRelReq:
		return p.text("REL REQ")
	case sctpRelAck:
		return p.text("REL ACK")
	}
	return p.lookup(sctpNames, int(kind), "Unknown chunk type: ")
}

func (p *Printer) chunk(kind, flags uint8, b []byte) {
	at := func(i int) uint32 { return binary.BigEndian.Uint32(b[i:]) }
	at16 := func(i int) uint32 { return uint32(binary.BigEndian.Uint16(b[i:])) }
	switch {
	case kind == sctpData && len(b) >= 12:
		if flags&4 != 0 {
			p.text("(U)")
		}
		if flags&2 != 0 {
			p.text("(B)")
		}
		if flags&1 != 0 {
			p.text("(E)")
		}
		if flags&7 != 0 {
			p.text(" ")
		}
		p.text("[TSN: ").uint(at(0)).text("] [SID: ").uint(at16(4)).text("] [SSEQ ").uint(at16(6)).text("] [PPID ")
		if id := at(8); id > 0 && int(id) < len(sctpPayloads) {
			p.text(sctpPayloads[id])
		} else {
			p.text("0x").hexInt(int64(id))
		}
		p.text("] ")
	case (kind == sctpInit || kind == sctpInitAck) && len(b) >= 16:
		p.text("[init tag: ").uint(at(0)).text("] [rwnd: ").uint(at(4)).text("] [OS: ").uint(at16(8))
		p.text("] [MIS: ").uint(at16(10)).text("] [init TSN: ").uint(at(12)).text("] ")
	case kind == sctpSack && len(b) >= 12:
		p.text("[cum ack ").uint(at(0)).text("] [a_rwnd ").uint(at(4)).text("] [#gap acks ").uint(at16(8))
		p.text("] [#dup tsns ").uint(at16(10)).text("] ")
	}
}
