package pcapfile

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// An Option is an option of a block that has no field of its own, such as a
// packet's hash, an interface's time zone, or what only a vendor understands.
type Option struct {
	Code uint16

	// Value has no padding. Numbers in it are little-endian, whatever the byte
	// order of the file, unless the option is Unknown. What a vendor's option
	// holds behind its Private Enterprise Number is as it stands in the file.
	Value []byte

	// Unknown says that the draft has no option of that code and length in such
	// a block: Value is as it stands in the file, numbers in its section's byte
	// order.
	Unknown bool
}

// Codes of such options, draft-ietf-opsawg-pcapng section 4: of interfaces,
// then of packets.
const (
	OptionEUI64        = 7  // if_EUIaddr: 8 bytes
	OptionTimeZone     = 10 // if_tzone: 4 bytes, of no settled meaning
	OptionFilter       = 11 // if_filter that is no expression: what it is, in a byte, and the filter
	OptionSendSpeed    = 16 // if_txspeed: 8 bytes, bits a second
	OptionReceiveSpeed = 17 // if_rxspeed: likewise
	OptionTimeZoneName = 18 // if_iana_tzname: a string

	OptionHash    = 3 // epb_hash: the algorithm, in a byte, and the hash
	OptionID      = 5 // epb_packetid: 8 bytes
	OptionQueue   = 6 // epb_queue: 4 bytes
	OptionVerdict = 7 // epb_verdict: who gave it, in a byte, and the verdict
	OptionProcess = 8 // epb_processid_threadid: 4 bytes each
)

// Codes of custom options: of a string, of other bytes, and of both where they
// should not be copied into another file. Any block may have them.
const (
	optCustomString      = 2988
	optCustomBytes       = 2989
	optCustomStringLocal = 19372
	optCustomBytesLocal  = 19373
)

// Copyable reports whether a program that doesn't understand the option may
// copy it into another file.
func (o *Option) Copyable() bool {
	return o.Code != optCustomStringLocal && o.Code != optCustomBytesLocal
}

// Custom reports whether only the owner of a Private Enterprise Number
// understands the option.
func (o *Option) Custom() bool { return isCustomOption(o.Code) }

func isCustomOption(code uint16) bool {
	switch code {
	case optCustomString, optCustomBytes, optCustomStringLocal, optCustomBytesLocal:
		return true
	}
	return false
}

// optionKind is the kind of block that an option is in.
type optionKind uint8

const (
	_ optionKind = iota
	ofSection
	ofInterface
	ofPacket
	ofStatistics
	ofNames
	ofSecrets
)

// option returns an option as Option has it. The value is the file's if it is
// little-endian.
func (big byteOrder) option(kind optionKind, code uint16, value []byte) Option {
	if !bool(big) {
		return Option{code, value, !convert(kind, code, value, false)}
	}
	swapped := bytes.Clone(value)
	if !convert(kind, code, swapped, true) {
		return Option{code, value, true}
	}
	return Option{Code: code, Value: swapped}
}

// convert reports whether the draft knows an option without a field, and swaps
// the bytes of the numbers in its value if that is wanted.
func convert(kind optionKind, code uint16, v []byte, swap bool) bool {
	number := func(v []byte) bool {
		if swap {
			slices.Reverse(v)
		}
		return true
	}
	if isCustomOption(code) {
		return len(v) >= 4 && number(v[:4])
	}
	if code == optComment { // of the blocks whose comments have no field
		return true
	}
	switch kind {
	case ofInterface:
		switch code {
		case OptionEUI64:
			return len(v) == 8
		case OptionTimeZone:
			return len(v) == 4 && number(v)
		case OptionSendSpeed, OptionReceiveSpeed:
			return len(v) == 8 && number(v)
		case OptionTimeZoneName:
			return true
		case OptionFilter:
			return convertFilter(v, number)
		case optInterfaceIPv4: // with a mask that is no prefix's
			return len(v) == 8
		case optInterfaceFCSLen: // of 0
			return len(v) == 1
		}
	case ofPacket:
		switch code {
		case OptionHash:
			return len(v) > 0
		case OptionID:
			return len(v) == 8 && number(v)
		case OptionQueue:
			return len(v) == 4 && number(v)
		case OptionVerdict:
			if len(v) == 9 && (v[0] == 1 || v[0] == 2) { // of eBPF: a number
				return number(v[1:])
			}
			return len(v) > 0 && v[0] == 0
		case OptionProcess:
			return len(v) == 8 && number(v[:4]) && number(v[4:])
		}
	case ofNames:
		switch code {
		case optNamesServer:
			return true
		case optNamesServerIPv4:
			return len(v) == 4
		case optNamesServerIPv6:
			return len(v) == 16
		}
	}
	return false
}

// Options of a Name Resolution Block: who told the names.
const (
	optNamesServer     = 2
	optNamesServerIPv4 = 3
	optNamesServerIPv6 = 4
)

// convertFilter converts if_filter. 1 is BPF: instructions of a 16-bit code,
// two bytes, and a 32-bit operand.
func convertFilter(v []byte, number func([]byte) bool) bool {
	const instruction = 8
	switch {
	case len(v) == 0:
		return false
	case v[0] == 0:
		return true
	case v[0] != 1 || len(v)%instruction != 1:
		return false
	}
	for i := range slices.Chunk(v[1:], instruction) {
		number(i[:2])
		number(i[4:])
	}
	return true
}

// optionCost is what keeping an option takes beside its value, in bytes.
const optionCost = 32

// keepOption adds an option of a block between the packets to those that are
// kept.
func (r *Reader) keepOption(options []Option, kind optionKind, code uint16, value []byte) []Option {
	if !r.keep(len(value) + optionCost) {
		return options
	}
	return append(options, r.big.option(kind, code, bytes.Clone(value)))
}

func appendOptions(dst []byte, options []Option) []byte {
	for i := range options {
		o := &options[i]
		size := min(len(o.Value), maxOption)
		dst = appendOptionHeader(dst, o.Code, size)
		dst = append(dst, o.Value[:size]...)
		dst = appendPadding(dst, size)
	}
	return dst
}

// Types of blocks that a Reader doesn't decode, draft-ietf-opsawg-pcapng
// section 11.1.
const (
	BlockJournal = 9  // an entry of systemd's journal
	BlockSecrets = 10 // keys that decrypt packets
)

// Block is a block of a type that a Reader doesn't decode: those above, those
// for local use, and what it doesn't know.
type Block struct {
	Type   uint32
	Body   []byte // what stands between the two lengths
	Offset int64  // of the block in the file

	big byteOrder
}

// Local reports whether the type has been left to everybody, to use it as he
// likes: two programs may mean different things by it.
func (b *Block) Local() bool { return b.Type&(1<<31) != 0 }

// blocksLimit bounds the bytes of blocks that a Reader holds for who asks for
// them.
const (
	blocksLimit = 16 << 20
	blockCost   = 64
)

// holdBlock holds a block of a type that isn't decoded.
func (r *Reader) holdBlock(typ uint32, body []byte) {
	if r.blockBytes += len(body) + blockCost; r.blockBytes > blocksLimit {
		r.blockBytes -= len(body) + blockCost
		r.blocksMissed++
		return
	}
	r.blocks = append(r.blocks, Block{typ, bytes.Clone(body), r.w.offset, r.big})
}

// Blocks returns the blocks that aren't decoded and were read since the last
// call, in the order of the file. The Reader forgets them. It holds 16 MiB of
// them at most: missed is how many more there were.
func (r *Reader) Blocks() (blocks []Block, missed int) {
	if r.blocks == nil && r.blocksMissed == 0 {
		return nil, 0
	}
	return r.giveBlocks()
}

func (r *Reader) giveBlocks() (blocks []Block, missed int) {
	blocks, missed = r.blocks, r.blocksMissed
	r.blocks, r.blocksMissed, r.blockBytes = nil, 0, 0
	return blocks, missed
}

// AppendBlock appends a block as it was read to dst. Of a block from a
// big-endian section the numbers are converted where it is known which these
// are: in secrets, and in entries of a journal, which have none. Otherwise the
// block is not written, and ok is false.
func AppendBlock(dst []byte, b *Block) (out []byte, ok bool) {
	out, at := beginBlock(dst, b.Type)
	switch {
	case !bool(b.big) || b.Type == BlockJournal:
		out = append(out, b.Body...)
	case b.Type == BlockSecrets:
		if out, ok = appendSecrets(out, b.Body, b.big); !ok {
			return dst, false
		}
	default:
		return dst, false
	}
	return endBlock(out, at), true
}

// appendSecrets appends the body of a Decryption Secrets Block.
func appendSecrets(dst, body []byte, big byteOrder) (out []byte, ok bool) {
	if len(body) < 8 {
		return dst, false
	}
	size := uint64(big.uint32(body[4:]))
	padded := (size + 3) &^ 3
	if padded > uint64(len(body)-8) {
		return dst, false
	}
	dst = binary.LittleEndian.AppendUint32(dst, big.uint32(body))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(size))
	dst = append(dst, body[8:8+padded]...)
	mark := len(dst)
	options := optionList{body[8+padded:], big}
	for {
		code, value, ok, torn := options.next()
		if torn {
			return dst, false
		}
		if !ok {
			return endOptions(dst, mark), true
		}
		o := big.option(ofSecrets, code, value)
		if o.Unknown {
			return dst, false
		}
		dst = appendOptions(dst, []Option{o})
	}
}
