package pcapfile

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Block types, draft-ietf-opsawg-pcapng section 11.1.
const (
	blockSection     = 0x0a0d0d0a // the same in both byte orders
	blockInterface   = 1
	blockPacketOld   = 2
	blockSimple      = 3
	blockNames       = 4
	blockStatistics  = 5
	blockPacket      = 6
	blockCustom      = 0x00000bad
	blockCustomLocal = 0x40000bad // not to be copied into another file

	byteOrderMagic = 0x1a2b3c4d
)

// Section is what a Section Header Block says. AppendSection writes the
// strings and leaves the fields below them alone: a Reader fills those in.
type Section struct {
	Hardware    string   // shb_hardware: the machine, for example "x86_64"
	OS          string   // shb_os: the operating system
	Application string   // shb_userappl: the program that wrote the section
	Comments    []string // opt_comment
	Options     []Option // all others

	Offset       int64            // where the section begins in the file, in bytes
	ByteOrder    binary.ByteOrder // of every number in the section
	Major, Minor uint16           // version of the format
	Length       int64            // bytes after the header block as it claims, -1: unknown; never relied on
}

// Interface is what an Interface Description Block says. For a pcap file a
// Reader makes one up from the file header.
type Interface struct {
	LinkType LinkType
	SnapLen  uint32 // longest packet captured, in bytes; 0: no limit

	Name        string // if_name, for example "eth0"
	Description string // if_description
	Filter      string // if_filter, where it is an expression
	Hardware    string // if_hardware
	OS          string // if_os
	Comments    []string

	Addrs []netip.Prefix // if_IPv4addr and if_IPv6addr
	MAC   []byte         // if_MACaddr: 6 bytes, or nil
	Speed uint64         // if_speed in bits a second; 0: not said

	// Options are all others: OptionEUI64 and what follows there, custom ones,
	// and those of a form that the fields above can't take.
	Options []Option

	// FCSLen is if_fcslen as it stands in the file. The draft counts bits
	// and shows 4 as an example; programs write bytes. For pcap it is the
	// file header's FCS length in bytes. A Reader sets -1 where nothing is
	// said; AppendInterface writes it if it is above 0.
	FCSLen int

	// Resolution and TimestampOffset (in seconds) say how to read the
	// timestamps. Packet.Time has them applied. AppendInterface writes
	// nanoseconds and no offset, whatever these fields say.
	Resolution      Resolution
	TimestampOffset int64

	// Section is the index in Reader.Sections, ID the number by which
	// packet blocks of that section refer to the interface. A Reader sets
	// them.
	Section, ID int

	clock clock
}

// Counter is a number that may be unknown. The zero Counter is unknown, which
// is not the same as 0.
type Counter struct {
	Value uint64
	Known bool
}

// Count returns the known Counter n.
func Count(n uint64) Counter { return Counter{n, true} }

// Statistics is what an Interface Statistics Block says. The counters run from
// the beginning of the capture.
type Statistics struct {
	// Start and End of the capture on this interface, in nanoseconds since
	// the epoch; 0: not said.
	Start, End int64

	Received           Counter // isb_ifrecv: packets the interface received
	DroppedByInterface Counter // isb_ifdrop: of these, dropped by the interface
	FilterAccepted     Counter // isb_filteraccept: packets the filter accepted
	DroppedByOS        Counter // isb_osdrop: of the accepted, dropped by the operating system
	Delivered          Counter // isb_usrdeliv: packets handed to the capturing program
	Comments           []string
	Options            []Option // all others
}

// InterfaceStatistics is an Interface Statistics Block as read.
type InterfaceStatistics struct {
	Interface *Interface
	Time      time.Time // when the counters were read, UTC
	Statistics
}

// Name is one record of a Name Resolution Block: an address and its names.
type Name struct {
	Addr  netip.Addr
	MAC   []byte // an address of 6 or 8 bytes (EUI-48, EUI-64) in place of Addr
	Names []string

	// Options are those of the block: who told the names, and comments.
	// AppendNames writes those of the first name.
	Options []Option
}

// Custom is a Custom Block as read: bytes that the owner of a Private
// Enterprise Number understands, options included. They are as they stand in
// the file, in either byte order: so the draft has them copied.
type Custom struct {
	PEN      uint32
	Data     []byte // a multiple of 4 bytes: the block does not say how much is padding
	Copyable bool   // whether it may be copied into another file
	Offset   int64  // of the block in the file
}

// Flags is the epb_flags word of a packet, draft-ietf-opsawg-pcapng section
// 4.3.1. The zero Flags says nothing.
type Flags uint32

// The direction of a packet and how it was addressed. Directions and reception
// types are numbers, not bits: use Direction and Reception to tell them apart.
const (
	FlagInbound  Flags = 1
	FlagOutbound Flags = 2

	FlagUnicast     Flags = 1 << 2
	FlagMulticast   Flags = 2 << 2
	FlagBroadcast   Flags = 3 << 2
	FlagPromiscuous Flags = 4 << 2 // addressed to someone else
)

// Direction returns FlagInbound, FlagOutbound, or 0 if it is not known.
func (f Flags) Direction() Flags { return f & 3 }

// Reception returns FlagUnicast, FlagMulticast, FlagBroadcast,
// FlagPromiscuous, or 0 if it is not known.
func (f Flags) Reception() Flags { return f & (7 << 2) }

// FCSLen returns the length of the frame check sequence at the end of the
// packet in bytes, or 0 if it is not known.
func (f Flags) FCSLen() int { return int(f >> 5 & 15) }
