package scrub_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"netcap/pcapfile"
)

// marker is what data sets, names and passcodes are full of. pieces are the parts of it of
// which none may come out.
const marker = "PLANTED^PATIENT|"

func markers(n int) []byte { return []byte(strings.Repeat(marker, n/len(marker)+1)[:n]) }

func pieces() (all [][4]byte) {
	twice := marker + marker
	for i := range marker {
		all = append(all, [4]byte([]byte(twice[i:])))
	}
	return all
}

// leaks returns a piece that is in b, or "".
func leaks(b []byte, all [][4]byte) string {
	for i := 0; i+4 <= len(b); i++ {
		if b[i] != 0 && slices.Contains(all, [4]byte(b[i:])) {
			return string(b[i : i+4])
		}
	}
	return ""
}

// text is a stream with, for each byte, whether it is protocol.
type text struct {
	b    []byte
	keep []bool
}

func (x *text) add(keep bool, b ...byte) {
	x.b = append(x.b, b...)
	for range b {
		x.keep = append(x.keep, keep)
	}
}

func (x *text) join(y text) { x.b, x.keep = append(x.b, y.b...), append(x.keep, y.keep...) }

func u16(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func u32(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

func item(kind byte, value text) (x text) {
	x.add(true, kind, 0)
	x.add(true, u16(len(value.b))...)
	x.join(value)
	return x
}

func plain(s string) (x text) { x.add(true, []byte(s)...); return x }

func pdu(kind byte, body text) (x text) {
	x.add(true, kind, 0)
	x.add(true, u32(len(body.b))...)
	x.join(body)
	return x
}

// associate is an A-ASSOCIATE-RQ or -AC with all kinds of items, and an identity.
func associate(r *rand.Rand, response bool) text {
	var body text
	body.add(true, 0, 1, 0, 0)
	body.add(true, []byte("ARCHIVE         MODALITY        ")...)
	body.add(true, make([]byte, 32)...)
	body.join(item(0x10, plain("1.2.840.10008.3.1.1.1")))
	for id := range 1 + r.IntN(4) {
		var c text
		c.add(true, byte(2*id+1), 0, 0, 0)
		if !response {
			c.join(item(0x30, plain("1.2.840.10008.5.1.4.1.1.2")))
		}
		c.join(item(0x40, plain("1.2.840.10008.1.2.1")))
		kind := byte(0x20)
		if response {
			kind = 0x21
		}
		body.join(item(kind, c))
	}
	var user text
	var most text
	most.add(true, u32(16384)...)
	user.join(item(0x51, most))
	user.join(item(0x52, plain("1.2.276.0.7230010.3.0.3.6.7")))
	var identity text
	if !response {
		name, code := markers(r.IntN(80)), markers(r.IntN(80))
		identity.add(true, 2, 1)
		identity.add(true, u16(len(name))...)
		identity.add(false, name...)
		identity.add(true, u16(len(code))...)
		identity.add(false, code...)
		user.join(item(0x58, identity))
	} else {
		ticket := markers(r.IntN(200))
		identity.add(true, u16(len(ticket))...)
		identity.add(false, ticket...)
		user.join(item(0x59, identity))
	}
	user.join(item(0x55, plain("OFFIS_DCMTK_367")))
	body.join(item(0x50, user))
	if response {
		return pdu(2, body)
	}
	return pdu(1, body)
}

func element(number int, value string) (x text) {
	x.add(true, 0, 0, byte(number), byte(number>>8), byte(len(value)), 0, 0, 0)
	x.join(plain(value))
	return x
}

// message is a command set and perhaps a data set, in fragments and PDUs as it comes.
func message(r *rand.Rand) (x text) {
	var set text
	set.join(element(0x0002, "1.2.840.10008.5.1.4.1.1.2\x00"))
	set.join(element(0x0100, "\x01\x00"))
	set.join(element(0x0110, "\x07\x00"))
	set.join(element(0x0800, "\x00\x00"))
	set.join(element(0x0902, "all is well "))
	set.join(element(0x1000, "1.2.3.4.5"))
	var group text
	group.add(true, 0, 0, 0, 0, 4, 0, 0, 0, byte(len(set.b)), 0, 0, 0)
	group.join(set)

	var data text
	n := r.IntN(12000)
	for len(data.b) < n {
		if r.IntN(4) == 0 { // what looks like a PDU with a command set
			b := markers(r.IntN(300))
			fake := append([]byte{4, 0}, u32(len(b)+6)...)
			fake = append(append(fake, u32(len(b)+2)...), 1, byte(r.IntN(4)))
			data.add(false, append(fake, b...)...)
		}
		data.add(false, markers(r.IntN(2000))...)
	}
	var values []text
	fragments := func(of text, flags byte) {
		for {
			m := min(len(of.b), 1+r.IntN(4000))
			part := text{of.b[:m], of.keep[:m]}
			of = text{of.b[m:], of.keep[m:]}
			var v text
			last := flags
			if len(of.b) == 0 {
				last |= 2
			}
			v.add(true, u32(len(part.b)+2)...)
			v.add(true, 1, last)
			v.join(part)
			values = append(values, v)
			if len(of.b) == 0 {
				return
			}
		}
	}
	fragments(group, 1)
	if n > 0 {
		fragments(data, 0)
	}
	for len(values) > 0 {
		var body text
		for {
			body.join(values[0])
			values = values[1:]
			if len(values) == 0 || r.IntN(3) > 0 {
				break
			}
		}
		x.join(pdu(4, body))
	}
	return x
}

// wrap is how segments are put into packets.
type wrap struct {
	link pcapfile.LinkType
	six  bool
	outs func([]byte) []byte // Ethernet frames around an IP packet; nil for a plain one
}

// sent is a packet of a scene: a segment of a side's text.
type sent struct {
	packet pcapfile.Packet
	at     int // of the payload in the packet
	side   int
	from   int // where in the text
	n      int
}

// scene is a connection with an association, of which segments can be made.
type scene struct {
	r     *rand.Rand
	w     wrap
	texts [2]text
	ports [2]uint16
	isn   [2]uint32
	id    [2]uint16
	now   time.Time
	acks  bool   // acknowledgements are true; else of nothing
	sent  [2]int // so much is in packets
	iface *pcapfile.Interface
}

func newScene(r *rand.Rand, w wrap) *scene {
	s := &scene{r: r, w: w, now: time.Unix(1_800_000_000, 0).UTC()}
	s.ports = [2]uint16{uint16(30000 + r.IntN(100)), 11112}
	s.isn = [2]uint32{r.Uint32(), r.Uint32()}
	s.acks = r.IntN(3) > 0
	s.iface = &pcapfile.Interface{LinkType: w.link, SnapLen: 262144}
	s.texts[0] = associate(r, false)
	s.texts[1] = associate(r, true)
	for range 1 + r.IntN(4) {
		s.texts[0].join(message(r))
		s.texts[1].join(message(r))
	}
	var reserved text
	reserved.add(true, 0, 0, 0, 0)
	s.texts[0].join(pdu(5, reserved))
	s.texts[1].join(pdu(6, reserved))
	return s
}

func checksum(parts ...[]byte) uint16 {
	s := uint32(0)
	for _, b := range parts {
		for i := range b {
			if i%2 == 0 {
				s += uint32(b[i]) << 8
			} else {
				s += uint32(b[i])
			}
			s = s>>16 + s&0xffff
		}
	}
	return ^uint16(s)
}

var addresses = [2][]byte{{10, 0, 0, 1}, {10, 0, 0, 2}}

// packetIP is an IP packet of a protocol.
func packetIP(six bool, from, protocol byte, id uint16, payload []byte, sumAt int) []byte {
	src, dst := addresses[from], addresses[1-from]
	var b []byte
	if six {
		src = append(append([]byte{0xfd}, make([]byte, 11)...), src...)
		dst = append(append([]byte{0xfd}, make([]byte, 11)...), dst...)
		b = append([]byte{0x60, 0, 0, 0}, u16(len(payload))...)
		b = append(append(append(b, protocol, 64), src...), dst...)
	} else {
		b = append([]byte{0x45, 0}, u16(20+len(payload))...)
		b = append(append(b, u16(int(id))...), 0x40, 0, 64, protocol, 0, 0)
		b = append(append(b, src...), dst...)
		binary.BigEndian.PutUint16(b[10:], checksum(b))
	}
	if sumAt >= 0 {
		pseudo := append(append([]byte{}, src...), dst...)
		pseudo = append(append(pseudo, 0, protocol), u16(len(payload))...)
		binary.BigEndian.PutUint16(payload[sumAt:], checksum(pseudo, payload))
	}
	return append(b, payload...)
}

func ethernet(kind int, b []byte) []byte {
	return append(append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}, u16(kind)...), b...)
}

// segment is a packet with a part of a side's text.
func (s *scene) segment(side, from, n int, flags byte) sent {
	seq := s.isn[side] + 1 + uint32(from)
	if flags&2 != 0 {
		seq--
	}
	payload := s.texts[side].b[from : from+n]
	s.id[side]++
	b := append(u16(int(s.ports[side])), u16(int(s.ports[1-side]))...)
	b = binary.BigEndian.AppendUint32(b, seq)
	s.sent[side] = max(s.sent[side], from+n)
	ack := s.isn[1-side] + 1
	if s.acks {
		ack += uint32(s.sent[1-side])
	}
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	b = append(b, payload...)
	b = packetIP(s.w.six, byte(side), 6, s.id[side], b, 16)
	if s.w.outs != nil {
		b = s.w.outs(b)
	}
	s.now = s.now.Add(time.Duration(1+s.r.IntN(200)) * time.Microsecond)
	return sent{pcapfile.Packet{Time: s.now, HasTime: true, Data: b, Length: uint32(len(b)), Interface: s.iface}, len(b) - n, side, from, n}
}

// play is what is captured if nothing goes wrong: the sides take turns.
func (s *scene) play() (all []sent) {
	all = append(all, s.segment(0, 0, 0, 2), s.segment(1, 0, 0, 0x12), s.segment(0, 0, 0, 0x10))
	most := 100 + s.r.IntN(1400)
	at := [2]int{}
	for side := 0; at[0] < len(s.texts[0].b) || at[1] < len(s.texts[1].b); side = 1 - side {
		for range 1 + s.r.IntN(10) {
			n := min(most, len(s.texts[side].b)-at[side])
			if s.r.IntN(5) == 0 {
				n = min(n, 1+s.r.IntN(12))
			}
			if n == 0 {
				break
			}
			all = append(all, s.segment(side, at[side], n, 0x18))
			at[side] += n
		}
	}
	return all
}

// resend is any piece of what was sent by the packet before it.
func (s *scene) resend(before []sent) sent {
	p := before[s.r.IntN(len(before))]
	s.sent = [2]int{}
	for _, o := range before {
		s.sent[o.side] = max(s.sent[o.side], o.from+o.n)
	}
	end := s.sent[p.side]
	from := p.from
	if p.n > 0 {
		from += s.r.IntN(p.n)
	}
	return s.segment(p.side, from, min(s.r.IntN(1500), end-from), 0x18)
}
